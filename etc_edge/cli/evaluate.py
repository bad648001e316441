"""`etc-edge evaluate`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from etc_edge.cli.gates import gate_options
from etc_edge.cli.size import size_hw as parse_size
from etc_edge.cli.target import engine_option


@click.command("evaluate")
@click.argument("model", type=click.Path(path_type=Path), required=False, metavar="B.etc|ENGINE")
@click.option("--data", required=True, help="Labelled clips: a folder, or synthetic:street.")
@click.option("--split", default="val", show_default=True, help="Split of the data set.")
@click.option("--reference", type=click.Path(path_type=Path), metavar="FP32.etc", help="Compare with this bundle.")
@engine_option
@click.option(
    "--flow", help="exact, dis-ultrafast, dis-fast, dis-medium or raft:WEIGHTS; left out, exact where it is known."
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one inference; left out, all cores.")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after so many frames.")
@click.option("--by-class", is_flag=True, help="Also print the IoU of every class.")
@click.option(
    "--from-official",
    "official",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Instead of a bundle: a checkpoint as its authors released it.",
)
@click.option("--network", help="What that checkpoint holds; left out, pspnet18.")
@click.option("--size", "size_hw", callback=parse_size, metavar="HxW", help="Its input size; left out, the frames'.")
@click.option("--flip", flag_value="logits", help="Average the logits of every frame and its mirror image.")
@click.option(
    "--flip-probabilities", "flip", flag_value="probabilities", help="Average class probabilities, as ETC's code does."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write results to a file.")
@click.option(
    "--pictures", is_flag=True, help="Keep worst frames, flicker maps and a video beside --json, for a report."
)
@click.option("--baseline", type=click.Path(path_type=Path, dir_okay=False), help="Compare with a results file.")
@gate_options
def command(
    model: Path | None,
    data: str,
    split: str,
    reference: Path | None,
    target: str,
    flow: str | None,
    threads: int | None,
    frames: int | None,
    by_class: bool,
    official: Path | None,
    network: str | None,
    size_hw: tuple[int, int] | None,
    flip: Any,
    json_path: Path | None,
    pictures: bool,
    baseline: Path | None,
    conditions: tuple[str, ...],
    junit_path: Path | None,
    github: bool,
) -> None:
    """Measure accuracy, steadiness and latency of a model on labelled clips.

    With --reference the FP32 model sees the same frames in turn, and the table shows what INT8 cost. The averages
    of --flip and --flip-probabilities hold for both, and cost a second inference a frame. With --baseline the results
    are compared with a file of before, and --fail-if holds them to gates: see `etc-edge compare --help`.
    """
    from etc_edge.cli.gates import finish, read_gates
    from etc_edge.cli.settings import progress
    from etc_edge.core.pictures import pictures_folder
    from etc_edge.core.results import load_results, save_results
    from etc_edge.report.table import print_results
    from etc_edge.stages.compare import compare
    from etc_edge.stages.evaluate import evaluate
    from etc_edge.stages.flip import flipped_bundle
    from etc_edge.stages.official import NETWORK, official_bundle

    if (model is None) == (official is None):
        found = "no model" if model is None else "a model and --from-official"
        raise click.UsageError(f"Found {found}, expected one: a bundle, an engine, or --from-official FILE.")
    if official is None and (network is not None or size_hw is not None):
        raise click.UsageError("Found --network or --size without --from-official: a bundle has its own.")
    if pictures and json_path is None:
        raise click.UsageError("Found --pictures without --json, expected a results file to lay them beside.")
    folder = pictures_folder(json_path) if pictures and json_path is not None else None
    gates = read_gates(conditions, with_base=baseline is not None)
    base = None if baseline is None else load_results(baseline)
    with ExitStack() as stack:
        if official is not None:
            bundle = official_bundle(official, data, split, network or NETWORK, size_hw, progress())
            model = stack.enter_context(bundle)
        assert model is not None
        if flip is not None:
            model = stack.enter_context(flipped_bundle(model, flip))
            reference = None if reference is None else stack.enter_context(flipped_bundle(reference, flip))
        results = evaluate(model, data, split, reference, target, flow, threads, frames, progress(), folder)
    print_results(results, classes=by_class)
    if json_path is not None:
        save_results(results, json_path)
        click.echo(f"results in {json_path}")
    if base is not None or gates:
        finish(compare(results, base, gates), junit_path, github)
