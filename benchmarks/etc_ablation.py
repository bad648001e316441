"""What each term of the loss and each source of pairs gives, one at a time, on the synthetic street.

python benchmarks/etc_ablation.py --json docs/results/etc_ablation-street_small.json

All runs have the network, the labelled frames, the length and the rates of the first; they differ in losses and pairs
alone. The teacher is the shipped network, which was trained five times as long. Everything is drawn here, flow on the
validation street is exact, and a run that is finished is not trained again.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgspec
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Record, Table, Watch, finish
from measuring.training_runs import cells_of, figures_of_run, gain_over, over_seeds, train_run

from etc_edge.core.atomic import atomic_file
from etc_edge.core.progress import console_progress

NETWORK = "street_small"
TEACHER = "zoo/street_small-street.safetensors"
# Frames follow each other at 15 a second; the last of a clip is there for the flow to it.
DATA = "synthetic:street?size=192x320&seed=1&frames=7&labelled=6&train=40&val=4"
STILLS = {"source": "stills"}
CLASS_WEIGHTS = [0.75, 0.5, 2.8, 4.0, 0.5, 1.3, 1.0, 0.9, 3.0]

TL = {"name": "temporal", "form": "probability", "mask": "visible", "weight": 10.0}
SF = {"name": "single_frame", "direction": "teacher_student", "class_weights": CLASS_WEIGHTS, "weight": 0.5}
PF = {"name": "pairwise", "cells_hw": [8, 12], "weight": 0.5}
MF = {"name": "multi_frame", "cells_hw": [4, 6], "weight": 0.5}


@dataclass(frozen=True)
class Variant:
    """What one row of the table is trained with besides cross-entropy."""

    name: str
    terms: tuple[dict[str, Any], ...] = ()
    pairs: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> str:
        """What it is trained on; motion is drawn where it is asked for alone, since it takes the next frame as well."""
        return DATA if self.pairs.get("flow") == "exact" else f"{DATA}&truth=no"

    def recipe(self, epochs: int) -> dict[str, Any]:
        """The whole recipe of `etc-edge train`."""
        losses = [{"name": "cross_entropy", "class_weights": CLASS_WEIGHTS}, *self.terms]
        found: dict[str, Any] = {
            "network": NETWORK,
            "input_size_hw": [192, 320],
            "data": {"kind": "street"},
            "augmentation": {
                "crop_hw": [128, 192], "scale": [0.6, 1.4], "rotation_deg": 4, "rotation_p": 0.2, "blur_p": 0.2,
                "jitter": 0.25,
            },
            "losses": copy.deepcopy(losses),
            "optimizer": {"name": "adamw", "lr": 0.003, "head_lr_factor": 1.0, "weight_decay": 0.01},
            "schedule": {"epochs": epochs, "batch_size": 8, "warmup_iterations": 20},
            "ema_decay": 0.98,
            "workers": 1,
        }  # fmt: skip
        if self.pairs:
            found["pairs"] = self.pairs
        if any(term["name"] not in ("cross_entropy", "temporal") for term in self.terms):
            found["teacher"] = {"path": TEACHER, "scales": [0.75, 1.0, 1.25], "flip": True}
        return found


VARIANTS = (
    Variant("base"),
    Variant("TL on logits, photometric", ({**TL, "form": "logits", "mask": "photometric", "weight": 0.1},), STILLS),
    Variant("TL on probabilities, photometric", ({**TL, "mask": "photometric"},), STILLS),
    Variant("TL on probabilities, visible", (TL,), STILLS),
    Variant("TL, dense pairs, exact flow", (TL,), {"source": "dense", "gap": 1, "flow": "exact"}),
    Variant("TL, dense pairs, DIS flow", (TL,), {"source": "dense", "gap": 1, "flow": "dis-medium"}),
    Variant("SF", (SF,), STILLS),
    Variant("SF, PF", (SF, PF), STILLS),
    Variant("SF, MF", (SF, MF), {**STILLS, "frames": 3}),
    Variant("TL, SF, PF, MF", (TL, SF, PF, MF), {**STILLS, "frames": 3}),
)


@click.command(cls=Benchmark)
@click.option("--seeds", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--epochs", type=click.IntRange(min=1), default=8, show_default=True)
@click.option(
    "--runs", type=click.Path(path_type=Path, file_okay=False), default=Path("runs/ablation"), show_default=True
)
@click.option("--only", multiple=True, metavar="ROW", help="Only this row; may be repeated.")
@threads_and_json
def main(
    seeds: int, epochs: int, runs: Path, only: tuple[str, ...], threads: int | None, json_path: Path | None
) -> None:
    """Train every variant with every seed, evaluate each on the validation street, and print what it gains."""
    watch, progress = Watch(keep_to_cores(threads)), console_progress()
    chosen = [variant for variant in VARIANTS if not only or variant.name in only]
    if not chosen:
        raise click.UsageError(
            f"Found no row of {', '.join(only)}, expected one of: {'; '.join(variant.name for variant in VARIANTS)}."
        )
    rows: dict[str, dict[str, Any]] = {}
    for variant in chosen:
        found: list[dict[str, float]] = []
        for seed in range(seeds):
            folder = runs / f"{_file_name(variant.name)}-epochs{epochs}-seed{seed}"
            recipe = runs / f"{_file_name(variant.name)}-epochs{epochs}.yaml"
            recipe.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(recipe) as temporary:
                temporary.write_bytes(msgspec.yaml.encode(variant.recipe(epochs)))
            train_run(str(recipe.resolve()), seed, folder, variant.data)
            found.append({"seed": float(seed), **figures_of_run(folder, DATA, progress)})
        rows[variant.name] = over_seeds(found)
    base = rows.get("base")
    gains = {} if base is None else {name: gain_over(base, row) for name, row in rows.items() if name != "base"}
    table = Table(["trained with", "mIoU", "tc", "flicker"], [[name, *cells_of(row)] for name, row in rows.items()])
    finish(
        Record(
            benchmark="etc_ablation",
            title="what each term gives on the synthetic street",
            settings={"network": NETWORK, "data": DATA, "epochs": epochs, "seeds": seeds, "teacher": TEACHER},
            figures={"rows": rows, "gain": gains},
            table=table,
            goals=[],
            notes=[f"mean and standard deviation of {seeds} seeds" if seeds > 1 else "one seed"],
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _file_name(row: str) -> str:
    return row.replace(",", "").replace(" ", "_")


if __name__ == "__main__":
    main()
