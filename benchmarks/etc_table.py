"""The table of the paper on our data: what the temporal loss and distillation give over training frame by frame.

python benchmarks/etc_table.py --data camvid --pretrained DIR --json docs/results/etc-camvid.json

Every row is one recipe of `recipes/train/`, trained with each of its seeds by `etc-edge train`, exported, and evaluated
on the whole validation clip. A run that is finished is not trained again and one that was stopped goes on, so the
script may be called until all is there. Rows of a network have equal length and start.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import click
import msgspec
from measuring.command import FOLDER, Benchmark, keep_to_cores, threads_and_json
from measuring.record import Table, Watch, show

from etc_edge.core.atomic import atomic_file
from etc_edge.core.progress import Progress, console_progress
from etc_edge.core.results import Results
from etc_edge.stages.evaluate import evaluate
from etc_edge.stages.export import ExportOptions, export

ROOT = Path(__file__).resolve().parent.parent
COMPACT = "pspnet_mobilenetv2"
FIGURES = ("miou", "tc", "flicker")


@dataclass(frozen=True)
class Row:
    """A recipe of the table: the network's, `base` or what is added to it, and how many seeds it is trained with."""

    network: str
    variant: str
    seeds: int

    @property
    def recipe(self) -> str:
        """Name of the shipped recipe."""
        return f"camvid-{self.network}_{self.variant}"


# Base and full recipe of the compact network have a spread; the others are single runs.
TABLE = (
    Row(COMPACT, "base", 3),
    Row(COMPACT, "tl_kd", 3),
    Row(COMPACT, "tl", 1),
    Row("pspnet18", "base", 1),
    Row("pspnet18", "tl_kd", 1),
    Row("pspnet18", "tl", 1),
)


@click.command(cls=Benchmark)
@click.option("--data", required=True, help="CamVid's folder.")
@click.option("--pretrained", type=FOLDER, help="Folder of ImageNet weights, for recipes that start there.")
@click.option("--runs", type=click.Path(path_type=Path, file_okay=False), default=Path("runs/etc"), show_default=True)
@click.option("--only", multiple=True, metavar="RECIPE", help="Train only this recipe; the table keeps all there is.")
@click.option("--evaluate-only", is_flag=True, help="Train nothing: the table of the runs that are finished.")
@threads_and_json
def main(
    data: str,
    pretrained: Path | None,
    runs: Path,
    only: tuple[str, ...],
    evaluate_only: bool,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Train every row that is not trained yet, evaluate all, and print the table."""
    watch, progress = Watch(keep_to_cores(threads)), console_progress()
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for row in TABLE:
        for seed in range(row.seeds):
            folder = runs / f"{row.recipe}-seed{seed}"
            if not evaluate_only and (not only or row.recipe in only):
                _train(row, seed, folder, data, pretrained)
            if (folder / "model.safetensors").exists():
                figures = {"seed": float(seed), **_evaluated(folder, data, progress)}
                found.setdefault((row.network, row.variant), []).append(figures)
    networks = {
        network: {variant: _summary(rows) for (name, variant), rows in found.items() if name == network}
        for network in dict.fromkeys(name for name, _ in found)
    }
    show(_table(networks), "ETC on CamVid val")
    if json_path is not None:
        record = {
            "benchmark": "etc_table",
            "data": "CamVid",
            "split": "val",
            "gain": _gain(networks.get(COMPACT, {})),
            "networks": {
                network: {**rows, "gain": {name: _gain(rows, name) for name in ("tl", "tl_kd") if name in rows}}
                for network, rows in networks.items()
            },
            "conditions": watch.conditions(),
        }
        with atomic_file(json_path) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
        click.echo(f"wrote {json_path}")


def _train(row: Row, seed: int, folder: Path, data: str, pretrained: Path | None) -> None:
    if (folder / "model.safetensors").exists():
        return
    command = [sys.executable, "-m", "etc_edge.cli.main", "train", row.recipe, "--data", data, "--seed", str(seed)]
    command += ["--out", str(folder)]
    command += [] if pretrained is None else ["--pretrained", str(pretrained)]
    command += ["--resume"] if (folder / "checkpoint.pt").exists() else []
    click.echo(f"== {folder.name}")
    # Starts and teachers of the recipes are files of this repository.
    done = subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    if done.returncode:
        raise click.ClickException(f"Training {folder.name} ended with exit code {done.returncode}.")


def _evaluated(folder: Path, data: str, progress: Progress) -> dict[str, float]:
    """mIoU, tc and flicker of a finished run on the whole validation clip, kept beside it; fractions."""
    path = folder / "val.json"
    if not path.exists():
        with tempfile.TemporaryDirectory() as work:
            bundle = export(folder / "model.safetensors", Path(work) / "model.etc", ExportOptions(), progress).bundle
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


def _summary(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """The runs of a recipe, their mean, and the sample's standard deviation where there are several."""
    means = {name: mean(row[name] for row in rows) for name in FIGURES}
    spread = {name: stdev(row[name] for row in rows) for name in FIGURES} if len(rows) > 1 else None
    return {"seeds": list(rows), "mean": means, **({} if spread is None else {"standard_deviation": spread})}


def _gain(rows: dict[str, Any], variant: str = "tl_kd") -> dict[str, float]:
    """What a variant's mean is above the base's; empty where one of the two is missing."""
    if "base" not in rows or variant not in rows:
        return {}
    return {name: rows[variant]["mean"][name] - rows["base"]["mean"][name] for name in FIGURES}


def _table(networks: dict[str, dict[str, Any]]) -> Table:
    def cell(row: dict[str, Any], name: str) -> str:
        spread = row.get("standard_deviation")
        return f"{row['mean'][name]:.2%}" + ("" if spread is None else f" ± {spread[name]:.2%}")

    rows = [
        [network, variant, str(len(row["seeds"])), *(cell(row, name) for name in FIGURES)]
        for network, variants in networks.items()
        for variant, row in variants.items()
    ]
    return Table(["network", "recipe", "seeds", "mIoU", "tc", "flicker"], rows)


if __name__ == "__main__":
    main()
