"""RAFT as an estimator: what it is called, what its network gets, and what is refused; see also the contract."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.core.errors import CheckpointError, DependencyError, EtcEdgeError
from etc_edge.flow.base import open_flow
from etc_edge.flow.raft.checkpoint import load_raft
from etc_edge.flow.raft.estimator import RaftFlow, as_network_input, margins
from tests.drawn_raft import save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_weights(tmp_path_factory.mktemp("weights") / "raft-drawn.pth")


def frames(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(height)
    return tuple(rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(2))  # type: ignore[return-value]


def test_its_name_tells_weights_and_iterations(weights: Path, tmp_path: Path) -> None:
    assert open_flow(f"raft:{weights}").name == "raft-drawn-12"
    assert open_flow(f"raft:{weights}?iterations=20").name == "raft-drawn-20"
    renamed = tmp_path / "my own?.pth"
    renamed.write_bytes(weights.read_bytes())
    assert open_flow(f"raft:{renamed}").name == "raft-my own?-12"
    assert open_flow(f"raft:{renamed}?iterations=3").name == "raft-my own?-3"


def test_a_tilde_is_the_users_folder(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(weights.parent))
    assert open_flow("raft:~/raft-drawn.pth?iterations=1").name == "raft-drawn-1"


@given(st.integers(1, 3000))
def test_margins_fill_up_to_the_next_size_that_the_network_takes(size_px: int) -> None:
    before, after = margins(size_px)
    whole = before + size_px + after
    assert whole % 8 == 0
    assert whole >= 64
    assert whole == 64 or before + after < 8
    assert 0 <= after - before <= 1


def test_the_network_gets_minus_one_to_one_red_first() -> None:
    image = np.zeros((1, 2, 3), np.uint8)
    image[0, 0] = (255, 0, 51)
    found = as_network_input(image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, :, 0, 0], (1, -1, -0.6), atol=1e-6)
    np.testing.assert_array_equal(found[0, :, 0, 1], -1)


def test_frames_are_continued_to_a_size_that_fits_and_flow_is_cut_back(weights: Path) -> None:
    image, following = frames(75, 50)
    found = RaftFlow(weights, 2)(image, following)
    assert (found.shape, found.dtype) == ((75, 50, 2), np.float32)
    assert found.flags.c_contiguous
    rows, columns = np.clip(np.arange(80) - 2, 0, 74), np.clip(np.arange(64) - 7, 0, 49)
    batches = [
        torch.from_numpy(2 * (padded.astype(np.float32) / 255) - 1).permute(2, 0, 1)[None]
        for padded in (image[rows][:, columns], following[rows][:, columns])
    ]
    with torch.inference_mode():
        direct = load_raft(weights)(*batches, 2)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, direct[2:77, 7:57], atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (64, 64), (65, 71)])
def test_any_size_works(height: int, width: int, weights: Path) -> None:
    found = RaftFlow(weights, 1)(*frames(height, width))
    assert found.shape == (height, width, 2)
    assert np.isfinite(found).all()


def test_frames_are_not_changed_and_flow_is_the_same_again(weights: Path) -> None:
    flow, (image, following) = RaftFlow(weights, 2), frames(40, 48)
    before = image.copy(), following.copy()
    first = flow(image, following)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(following, before[1])
    flow(following, image)
    np.testing.assert_array_equal(flow(image, following), first)


def test_travels_to_other_processes(weights: Path) -> None:
    flow, (image, following) = RaftFlow(weights, 1), frames(30, 40)
    again = pickle.loads(pickle.dumps(flow))
    assert again.name == flow.name
    np.testing.assert_array_equal(again(image, following), flow(image, following))


def test_frames_that_do_not_fit_are_refused(weights: Path) -> None:
    flow = RaftFlow(weights, 1)
    with pytest.raises(EtcEdgeError, match="expected one size"):
        flow(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 40, 3), np.uint8))
    with pytest.raises(EtcEdgeError, match="expected one size"):
        flow(np.zeros((32, 32), np.uint8), np.zeros((32, 32), np.uint8))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("?iterations=0", "iterations='0' for RAFT, expected a whole number of at least 1"),
        ("?iterations=", "iterations=''"),
        ("?iterations=many", "iterations='many'"),
        ("?iteration=3", "Found the setting 'iteration' of RAFT. Did you mean 'iterations'?"),
        ("?12", "Found '12' after the weights of RAFT, expected raft:FILE"),
    ],
)
def test_wrong_settings(settings: str, message: str, weights: Path) -> None:
    with pytest.raises(EtcEdgeError) as raised:
        open_flow(f"raft:{weights}{settings}")
    assert message in str(raised.value)


def test_missing_and_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(EtcEdgeError, match="Found no weights after raft:, expected raft:FILE"):
        open_flow("raft:")
    with pytest.raises(CheckpointError, match="Found no weights of RAFT at .*none.pth"):
        open_flow(f"raft:{tmp_path}/none.pth?iterations=3")
    with pytest.raises(CheckpointError, match="Found no weights of RAFT at"):
        open_flow(f"raft:{tmp_path}")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(CheckpointError, match="no file of plain weights"):
        open_flow(f"raft:{tmp_path}/text.pth")


def test_the_name_alone_is_told_how_to_go_on() -> None:
    with pytest.raises(EtcEdgeError, match="Found no weights after raft:, expected raft:FILE"):
        open_flow("raft")
    with pytest.raises(EtcEdgeError, match="Found no optical flow 'raf:x.pth'. Did you mean 'raft:FILE'"):
        open_flow("raf:x.pth")


def test_a_device_without_torch_is_told_what_to_install(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyError, match="Found no package 'torch', which optical flow by RAFT needs") as raised:
        open_flow(f"raft:{weights}")
    assert raised.value.hint == 'Try: pip install "etc-edge[train]"'
