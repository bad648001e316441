"""Two processes on this machine against one: the same weights, and what happens when one of them goes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from etc_edge.frames.street.classes import STREET_CLASSES
from etc_edge.models.checkpoint import read_state
from etc_edge.models.table import build_network
from etc_edge.stages.train import train
from etc_edge.training.synchronised_norm import SynchronisedNorm, synchronise_norms

RECIPE = {
    "network": "street_small",
    "input_size_hw": [64, 96],
    "data": {"path": "synthetic:street?size=64x96&frames=3&train=4", "holdout": 0.2, "holdout_blocks": 1},
    "augmentation": {"crop_hw": [48, 64]},
    "pairs": {"source": "stills"},
    "losses": [{"name": "cross_entropy"}, {"name": "temporal", "mask": "visible"}],
    "schedule": {"epochs": 3, "batch_size": 4},
    "optimizer": {"lr": 0.02},
    "precision": "fp32",
    "workers": 0,
    "checkpoint_every_s": 0,
}
# The network's dropout draws from a generator of each process: without it two processes must do what one does.
LAUNCH = """
import sys
import torch
from torch import nn
nn.Dropout2d.forward = lambda self, input: input
torch.set_num_threads(1)
from etc_edge.cli.main import main
main()
"""


def write(path: Path, **changes: object) -> Path:
    path.write_text(yaml.safe_dump(RECIPE | changes), encoding="utf-8")
    return path


def launch(recipe: Path, out: Path, count: int, *more: str) -> list[subprocess.Popen[str]]:
    return spawn([sys.executable, "-c", LAUNCH, "train", str(recipe), "--out", str(out), *more], count)


def spawn(command: list[str], count: int) -> list[subprocess.Popen[str]]:
    """The same command in `count` processes, with the environment that `torchrun` gives them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    world["PYTHONPATH"] = os.pathsep.join(sys.path)
    return [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **world, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(count)
    ]


def finish(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    outputs = [process.communicate(timeout=200)[1] for process in processes]
    return [(process.returncode, output) for process, output in zip(processes, outputs, strict=True)]


def test_two_processes_give_what_one_does(tmp_path: Path) -> None:
    """After three steps; what differs is the order of sums, which batch norm over four pictures makes visible."""
    recipe = write(tmp_path / "recipe.yaml", schedule={"epochs": 3, "batch_size": 10})
    for count in (1, 2):
        for code, said in finish(launch(recipe, tmp_path / str(count), count)):
            assert code == 0, said
    one, two = (read_state(tmp_path / name / "model.safetensors") for name in ("1", "2"))
    torch.manual_seed(0)
    start = build_network("street_small", len(STREET_CLASSES)).state_dict()
    moved, apart = 0.0, 0.0
    for key in (key for key in one if key.endswith(("weight", "bias"))):
        moved += float((one[key].float() - start[key]).square().sum())
        apart += float((one[key].float() - two[key].float()).square().sum())
    assert apart < 0.1 * moved
    lines = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("1", "2")
    ]
    for name, exactness in (("loss", 2e-3), ("loss/cross_entropy", 2e-3)):
        assert [line[name] for line in lines[0]] == pytest.approx([line[name] for line in lines[1]], rel=exactness)
    assert lines[0][0]["loss"] == pytest.approx(lines[1][0]["loss"], rel=1e-5), "before the first step nothing differs"


GRADIENTS = """
import os, sys, torch
import torch.distributed as dist
from torch import nn
from etc_edge.training.processes import training_processes

def network():
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8)]
    return nn.Sequential(*parts, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1, bias=False), nn.BatchNorm2d(4))

torch.manual_seed(1)
images, weights = torch.randn(6, 3, 12, 12).double(), torch.randn(6, 4, 1, 1).double()
with training_processes() as processes:
    shared = processes.shared_norms(network()).double()
    wrapped = processes.wrap(shared)
    mine = slice(processes.share.rank, None, processes.share.of)
    total = (wrapped(images[mine]) * weights[mine]).sum()
    (total / processes.mean(torch.tensor(float(len(images[mine]))))).backward()
    alone = network().double()
    ((alone(images) * weights).sum() / 6).backward()
    for (name, one), (_, other) in zip(alone.named_parameters(), shared.named_parameters()):
        if name != "0.bias":  # batch norm takes it away: its gradient is nothing but rounding
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(dict(alone.named_buffers()), dict(shared.named_buffers()))
"""


def test_gradients_of_two_processes_are_those_of_one_batch(tmp_path: Path) -> None:
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS, encoding="utf-8")
    for code, said in finish(spawn([sys.executable, str(script)], 2)):
        assert code == 0, said


def test_a_batch_in_parts_by_two_processes(tmp_path: Path) -> None:
    recipe = write(tmp_path / "recipe.yaml", schedule={"epochs": 1, "batch_size": 4, "accumulate": 2})
    outputs = [(process, process.communicate(timeout=200)) for process in launch(recipe, tmp_path / "run", 2)]
    for process, (_, said) in outputs:
        assert process.returncode == 0, said
    assert [len(printed.splitlines()) for _, (printed, _) in outputs] == [1, 0], "the first one reports"
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_when_one_process_goes_the_other_leaves_a_checkpoint_and_says_so(tmp_path: Path) -> None:
    recipe = write(tmp_path / "recipe.yaml", schedule={"epochs": 500, "batch_size": 4})
    first, second = launch(recipe, tmp_path / "run", 2)
    deadline = time.monotonic() + 200
    while not (tmp_path / "run" / "checkpoint.pt").exists():
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    second.send_signal(signal.SIGKILL)
    said = first.communicate(timeout=120)[1]
    second.communicate()
    assert first.returncode == 1, said
    assert "Another process of the run ended" in said
    assert "--resume" in said
    iteration = iteration_of(tmp_path / "run")
    assert 0 < iteration < 500 * 2
    again = launch(recipe, tmp_path / "run", 2, "--resume")
    while iteration_of(tmp_path / "run") == iteration:
        assert again[0].poll() is None, again[0].communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for process in again:
        process.send_signal(signal.SIGINT)
    for code, said in finish(again):
        assert code == 1
        assert "Stopped on request" in said, said


def iteration_of(run: Path) -> int:
    return int(torch.load(run / "checkpoint.pt", weights_only=True)["iteration"])


def test_a_batch_that_cannot_be_shared(tmp_path: Path) -> None:
    recipe = write(tmp_path / "recipe.yaml", schedule={"epochs": 1, "batch_size": 3, "accumulate": 2})
    with pytest.raises(Exception, match="expected a multiple of 2"):
        train(recipe, tmp_path / "run")


def test_a_shared_norm_is_torchs_where_there_is_one_process(tmp_path: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        torch.manual_seed(0)
        plain = nn.Sequential(nn.BatchNorm2d(5))
        with torch.no_grad():
            plain[0].weight.uniform_(0.5, 2.0)
            plain[0].bias.normal_()
        shared = synchronise_norms(nn.Sequential(nn.BatchNorm2d(5)), torch.device("cpu"))
        shared.load_state_dict(plain.state_dict())
        assert isinstance(shared[0], SynchronisedNorm)  # type: ignore[index]
        for _ in range(2):
            images = torch.randn(4, 5, 6, 7, requires_grad=True)
            same = images.detach().clone().requires_grad_()
            weight = torch.randn(4, 5, 6, 7)
            (plain(images) * weight).sum().backward()
            (shared(same) * weight).sum().backward()
            torch.testing.assert_close(plain(images), shared(same), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(images.grad, same.grad, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(plain.state_dict(), shared.state_dict(), rtol=1e-4, atol=1e-5)
        plain.eval()
        shared.eval()
        torch.testing.assert_close(plain(images), shared(images))
    finally:
        torch.distributed.destroy_process_group()
