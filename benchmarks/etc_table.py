"""The table of the paper on our data: what the temporal loss and distillation give over training frame by frame.

python benchmarks/etc_table.py --data camvid --pretrained DIR --json docs/results/etc-camvid.json

Every row is one recipe of `recipes/train/`, trained with each of its seeds by `etc-edge train`, exported, and evaluated
on the whole validation clip. A run that is finished is not trained again and one that was stopped goes on, so the
script may be called until all is there; networks without a run keep their rows of the record. Rows of a network have
equal length and start.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec
from measuring.command import FOLDER, Benchmark, keep_to_cores, threads_and_json
from measuring.record import Table, Watch, show
from measuring.training_runs import WEIGHTS, cells_of, figures_of_run, gain_over, over_seeds, train_run

from etc_edge.core.atomic import atomic_file
from etc_edge.core.progress import console_progress

COMPACT = "pspnet_mobilenetv2"


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


# Recipes of the compact network have a spread; the others are single runs.
TABLE = (
    Row(COMPACT, "base", 3),
    Row(COMPACT, "tl_kd", 3),
    Row(COMPACT, "tl", 3),
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
    networks: dict[str, dict[str, Any]] = {}
    for row in TABLE:
        found: list[dict[str, float]] = []
        for seed in range(row.seeds):
            folder = runs / f"{row.recipe}-seed{seed}"
            if not evaluate_only and (not only or row.recipe in only):
                train_run(row.recipe, seed, folder, data, pretrained)
            if (folder / WEIGHTS).exists():
                found.append({"seed": float(seed), **figures_of_run(folder, data, progress)})
        if found:
            networks.setdefault(row.network, {})[row.variant] = over_seeds(found)
    for network, rows in _recorded(json_path).items():
        networks.setdefault(network, rows)
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


def _recorded(json_path: Path | None) -> dict[str, dict[str, Any]]:
    """Rows of an earlier record: those of networks that have no run here stay in it."""
    if json_path is None or not json_path.is_file():
        return {}
    networks = msgspec.json.decode(json_path.read_bytes())["networks"]
    return {network: {name: rows[name] for name in rows if name != "gain"} for network, rows in networks.items()}


def _gain(rows: dict[str, Any], variant: str = "tl_kd") -> dict[str, float]:
    """What a variant's mean is above the base's; empty where one of the two is missing."""
    return gain_over(rows["base"], rows[variant]) if "base" in rows and variant in rows else {}


def _table(networks: dict[str, dict[str, Any]]) -> Table:
    rows = [
        [network, variant, str(len(row["seeds"])), *cells_of(row)]
        for network, variants in networks.items()
        for variant, row in variants.items()
    ]
    return Table(["network", "recipe", "seeds", "mIoU", "tc", "flicker"], rows)


if __name__ == "__main__":
    main()
