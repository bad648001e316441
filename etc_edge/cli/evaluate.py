"""`etc-edge evaluate`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("evaluate")
@click.argument("model", type=click.Path(path_type=Path), metavar="B.etc|ENGINE")
@click.option("--data", required=True, help="Labelled clips: a folder, or synthetic:street.")
@click.option("--split", default="val", show_default=True, help="Split of the data set.")
@click.option("--reference", type=click.Path(path_type=Path), metavar="FP32.etc", help="Compare with this bundle.")
@click.option("--target", default="cpu", show_default=True, help="cpu (the faster engine here), onnxruntime, openvino.")
@click.option(
    "--flow", help="exact, dis-ultrafast, dis-fast, dis-medium or raft:WEIGHTS; left out, exact where it is known."
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one inference; left out, all cores.")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after so many frames.")
@click.option("--by-class", is_flag=True, help="Also print the IoU of every class.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write results to a file.")
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
) -> None:
    """Measure accuracy, steadiness and latency of a model on labelled clips.

    With --reference the FP32 model sees the same frames in turn, and the table shows what INT8 cost.
    """
    from etc_edge.cli.settings import progress
    from etc_edge.core.results import save_results
    from etc_edge.report.table import print_results
    from etc_edge.stages.evaluate import evaluate

    results = evaluate(model, data, split, reference, target, flow, threads, frames, progress())
    print_results(results, classes=by_class)
    if json_path is not None:
        save_results(results, json_path)
        click.echo(f"results in {json_path}")
