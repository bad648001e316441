"""`etc-edge evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from etc_edge.cli.gates import gate_options


@click.command("evaluate")
@click.argument("model", type=click.Path(path_type=Path), metavar="B.etc|ENGINE")
@click.option("--data", required=True, help="Labelled clips: a folder, or synthetic:street.")
@click.option("--split", default="val", show_default=True, help="Split of the data set.")
@click.option("--reference", type=click.Path(path_type=Path), metavar="FP32.etc", help="Compare with this bundle.")
@click.option("--target", default="cpu", show_default=True, help="cpu (the faster engine here), onnxruntime, openvino.")
@click.option("--flow", help="exact, dis-ultrafast, dis-fast or dis-medium; left out, exact where it is known.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one inference; left out, all cores.")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after so many frames.")
@click.option("--by-class", is_flag=True, help="Also print the IoU of every class.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write results to a file.")
@click.option("--pictures", is_flag=True, help="Keep worst frames and flicker maps beside --json, for a report.")
@click.option("--baseline", type=click.Path(path_type=Path, dir_okay=False), help="Compare with a results file.")
@gate_options
def command(
    model: Path,
    data: str,
    split: str,
    reference: Path | None,
    target: str,
    flow: str | None,
    threads: int | None,
    frames: int | None,
    by_class: bool,
    json_path: Path | None,
    pictures: bool,
    baseline: Path | None,
    conditions: tuple[str, ...],
    junit_path: Path | None,
    github: bool,
) -> None:
    """Measure accuracy, steadiness and latency of a model on labelled clips.

    With --reference the FP32 model sees the same frames in turn, and the table shows what INT8 cost. With --baseline
    the results are compared with a file of before, and --fail-if holds them to gates: see `etc-edge compare --help`.
    """
    from etc_edge.cli.gates import finish, read_gates
    from etc_edge.cli.settings import progress
    from etc_edge.core.pictures import pictures_folder
    from etc_edge.core.results import load_results, save_results
    from etc_edge.report.table import print_results
    from etc_edge.stages.compare import compare
    from etc_edge.stages.evaluate import evaluate

    if pictures and json_path is None:
        raise click.UsageError("Found --pictures without --json, expected a results file to lay them beside.")
    folder = pictures_folder(json_path) if pictures and json_path is not None else None
    gates = read_gates(conditions, with_base=baseline is not None)
    base = None if baseline is None else load_results(baseline)
    results = evaluate(model, data, split, reference, target, flow, threads, frames, progress(), folder)
    print_results(results, classes=by_class)
    if json_path is not None:
        save_results(results, json_path)
        click.echo(f"results in {json_path}")
    if base is not None or gates:
        finish(compare(results, base, gates), junit_path, github)
