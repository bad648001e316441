"""Files of RAFT's weights: the authors' form, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from etc_edge.core.errors import CheckpointError
from etc_edge.flow.raft.checkpoint import load_raft
from tests.drawn_raft import drawn_state, save_weights


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return drawn_state()


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_the_authors_form_is_read_with_and_without_its_prefix(
    prefix: str, state: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "raft-drawn.pth"
    torch.save({f"{prefix}{key}": value for key, value in state.items()}, path)
    network = load_raft(path)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_partial_weights_are_refused_with_every_key_counted(state: dict[str, Tensor], tmp_path: Path) -> None:
    broken = dict(state)
    del broken["fnet.conv1.weight"], broken["update_block.mask.2.bias"]
    broken["update_block.extra.weight"] = torch.ones(1)
    broken["cnet.conv2.bias"] = torch.ones(160)
    torch.save(broken, tmp_path / "broken.pth")
    with pytest.raises(CheckpointError) as raised:
        load_raft(tmp_path / "broken.pth")
    message = raised.value.message
    assert "2 of 179 keys missing (fnet.conv1.weight, update_block.mask.2.bias)" in message
    assert "1 unexpected (update_block.extra.weight)" in message
    assert "1 of another shape (cnet.conv2.bias (160,) for (256,))" in message
    assert raised.value.hint is not None
    assert "raft-things.pth" in raised.value.hint


def test_another_networks_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    torch.save({f"layer{index}.weight": torch.ones(1) for index in range(20)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="179 of 179 keys missing .* and 171 more.*; 20 unexpected"):
        load_raft(tmp_path / "other.pth")


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Found no weights of RAFT at"):
        load_raft(tmp_path / "none.pth")
    whole = save_weights(tmp_path / "whole.pth").read_bytes()
    for name, content in {"empty": b"", "text": b"weights", "cut": whole[: len(whole) // 2]}.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=f"{name}.pth, which is no file of plain weights"):
            load_raft(path)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="Found a list in"):
        load_raft(tmp_path / "list.pth")


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("harm-was-done"),)


def test_code_in_a_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "harm.pth").open("wb") as file:
        pickle.dump({"fnet.conv1.weight": Harmful()}, file, protocol=2)
    with pytest.raises(CheckpointError):
        load_raft(tmp_path / "harm.pth")
    assert not (tmp_path / "harm-was-done").exists()
