"""The whole way on the shipped model and a synthetic street: quantize, compile, run, evaluate, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etc_edge.core.pictures import pictures_folder
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.results import Results, save_results
from etc_edge.quantization.recipe import CalibrationRecipe, QuantizeRecipe
from etc_edge.stages.evaluate import evaluate
from etc_edge.stages.quantize import quantize
from etc_edge.stages.report import report
from etc_edge.stages.run import Outputs, RunReport, run

MODEL = Path(__file__).parent.parent / "demo" / "street_small.etc"

CALIBRATION = "synthetic:street?size=288x512&seed=11&frames=8&train=6"
VALIDATION = "synthetic:street?size=288x512&seed=23&frames=30&val=2"
VIDEO = "synthetic:street?size=288x512&seed=42&frames=120&fps=15"


@dataclass(frozen=True)
class DemoReport:
    """What the demo made.

    Args:
        int8: the quantized bundle.
        video: the annotated video.
        results_path: results of the evaluation as JSON.
        results: the same, INT8 with FP32 as its reference.
        run: how the video was made.
        page: the report, one HTML file.
    """

    int8: Path
    video: Path
    results_path: Path
    results: Results
    run: RunReport
    page: Path


def demo(out: Path, progress: Progress | None = None) -> DemoReport:
    """Quantize the shipped network on one street, film another with it, and measure it on a third.

    Args:
        out: the folder to write to.
        progress: told what goes on.

    Raises:
        EtcEdgeError: a package is missing, no engine runs here, or the folder cannot be written.
    """
    progress = progress or Silent()
    int8, video, results_path = out / "street_small-int8.etc", out / "street.mp4", out / "results.json"
    recipe = QuantizeRecipe(calibration=CalibrationRecipe(split="train", frames=48))
    quantize(MODEL, int8, recipe, CALIBRATION, progress=progress)
    ran = run(int8, VIDEO, Outputs(video=video), progress=progress)
    pictures = pictures_folder(results_path)
    results = evaluate(int8, VALIDATION, "val", reference=MODEL, progress=progress, pictures=pictures)
    save_results(results, results_path)
    page = out / "report.html"
    report([results_path], page)
    return DemoReport(int8, video, results_path, results, ran, page)
