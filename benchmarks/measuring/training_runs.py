"""Trainings side by side: runs of `etc-edge train`, what each does on a whole clip, means and spreads over seeds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import click
import msgspec

from etc_edge.core.atomic import atomic_file
from etc_edge.core.progress import Progress
from etc_edge.core.results import Results
from etc_edge.stages.evaluate import evaluate
from etc_edge.stages.export import ExportOptions, export

ROOT = Path(__file__).resolve().parent.parent.parent
FIGURES = ("miou", "tc", "flicker")
WEIGHTS = "model.safetensors"


def train_run(recipe: str, seed: int, folder: Path, data: str, pretrained: Path | None = None) -> None:
    """Train a recipe into a folder; a finished run stays as it is and one that was stopped goes on.

    Args:
        recipe: name of a shipped recipe, or a file; its starts and teachers are files of this repository.
        seed, data, pretrained: options of the command.

    Raises:
        click.ClickException: the training failed.
    """
    if (folder / WEIGHTS).exists():
        return
    command = [sys.executable, "-m", "etc_edge.cli.main", "train", recipe, "--data", data, "--seed", str(seed)]
    command += ["--out", str(folder.resolve())]
    command += [] if pretrained is None else ["--pretrained", str(pretrained)]
    command += ["--resume"] if (folder / "checkpoint.pt").exists() else []
    click.echo(f"== {folder.name}")
    done = subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    if done.returncode:
        raise click.ClickException(f"Training {folder.name} ended with exit code {done.returncode}.")


def figures_of_run(folder: Path, data: str, progress: Progress) -> dict[str, float]:
    """mIoU, tc and flicker of a finished run on a whole validation split, kept beside it; fractions."""
    path = folder / "val.json"
    if not path.exists():
        with tempfile.TemporaryDirectory() as work:
            bundle = export(folder / WEIGHTS, Path(work) / "model.etc", ExportOptions(), progress).bundle
            results = evaluate(bundle.path, data, "val", target="onnxruntime", progress=progress)
        with atomic_file(path) as temporary:
            temporary.write_bytes(msgspec.json.encode(results))
    results = msgspec.json.decode(path.read_bytes(), type=Results)
    accuracy, temporal = results.accuracy, results.temporal
    assert accuracy
    assert temporal
    assert not isinstance(temporal.flicker, msgspec.UnsetType)
    assert not isinstance(temporal.tc, msgspec.UnsetType)
    return {"miou": accuracy.miou, "tc": temporal.tc, "flicker": temporal.flicker}


def over_seeds(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The runs of a recipe, their mean, and the sample's standard deviation where there are several."""
    means = {name: mean(row[name] for row in rows) for name in FIGURES}
    spread = {name: stdev(row[name] for row in rows) for name in FIGURES} if len(rows) > 1 else None
    return {"seeds": list(rows), "mean": means, **({} if spread is None else {"standard_deviation": spread})}


def gain_over(base: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, float]:
    """What the mean of one recipe's runs is above another's."""
    return {name: row["mean"][name] - base["mean"][name] for name in FIGURES}


def cells_of(row: Mapping[str, Any]) -> list[str]:
    """mIoU, tc and flicker of a recipe's runs for a table: mean ± standard deviation, in per cent."""
    spread = row.get("standard_deviation")
    return [f"{row['mean'][name]:.2%}" + ("" if spread is None else f" ± {spread[name]:.2%}") for name in FIGURES]
