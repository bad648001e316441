from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from etc_edge.core.results import Accuracy, Data, Drop, Latency, Model, Results, Temporal
from etc_edge.report.figures import class_rows, column_titles, figure_rows, stage_rows, subject_titles, with_references
from etc_edge.report.table import print_results


def results(precision: str, miou: float, p50_ms: float, target: str = "onnxruntime") -> Results:
    latency = Latency(mean=p50_ms, p50=p50_ms, p90=p50_ms, p95=p50_ms, p99=2 * p50_ms, max=3 * p50_ms)
    return Results(
        bundle=Model(
            name="street", sha256="0" * 64, precision=precision, model_bytes=2_500_000, target=target, threads=2
        ),
        data=Data(name="camvid", split="val", frames=101, clips=1),
        device={"cpu": "a processor", "cores": 2},
        versions={"onnxruntime": "1.2.3"},
        accuracy=Accuracy(miou=miou, pixel_accuracy=0.9, iou={"road": miou, "[sky]": 0.5}),
        temporal=Temporal(flow="dis", tc=0.7, tc_etc=0.6, flicker=0.01),
        latency_ms=latency,
        stages_ms={"infer": latency},
        throughput_fps=1e3 / p50_ms,
    )


@pytest.fixture
def compared() -> Results:
    int8 = results("int8", 0.678, 5.0)
    return msgspec.structs.replace(int8, reference=results("fp32", 0.681, 20.0), drop=Drop(miou=0.003))


def printed(*arguments: object, **options: object) -> str:
    output = io.StringIO()
    print_results(*arguments, console=Console(file=output, width=120, highlight=False), **options)  # type: ignore[arg-type]
    return output.getvalue()


def test_the_reference_stands_before_its_model_and_changes_are_told(compared: Results) -> None:
    columns = with_references(compared)
    assert column_titles(columns) == ["FP32", "INT8"]
    rows = {row.figure: (row.values, row.change) for row in figure_rows(columns)}
    assert rows["mIoU"] == (("68.10%", "67.80%"), "-0.30")
    assert rows["latency p50, ms"] == (("20.0", "5.00"), "×0.25")
    assert rows["frames per second"] == (("50.0", "200.0"), "×4.00")
    assert rows["model size"] == (("2.50 MB", "2.50 MB"), "×1.00")


def test_titles_name_the_model_only_where_there_are_several() -> None:
    fp32, int8 = results("fp32", 0.68, 20.0), results("int8", 0.67, 5.0)
    derived = msgspec.structs.replace(int8, bundle=msgspec.structs.replace(int8.bundle, name="street-int8"))
    other = msgspec.structs.replace(int8, bundle=msgspec.structs.replace(int8.bundle, name="city-int8"))
    assert column_titles([fp32, derived]) == ["FP32", "INT8"]
    assert column_titles([fp32, derived, other]) == ["street FP32", "street INT8", "city INT8"]


def test_what_was_not_measured_has_no_row(compared: Results) -> None:
    figures = {row.figure for row in figure_rows(with_references(compared))}
    assert figures.isdisjoint({"vc8", "vc16", "agreement with the reference", "peak memory", "energy a frame, J"})


def test_a_figure_that_only_one_side_has_is_empty_on_the_other_and_not_compared(compared: Results) -> None:
    temporal = msgspec.structs.replace(results("int8", 0.6, 1.0).temporal, agreement=0.98)
    compared = msgspec.structs.replace(compared, temporal=temporal)
    rows = {row.figure: row for row in figure_rows(with_references(compared))}
    assert rows["agreement with the reference"].values == ("", "98.00%")
    assert rows["agreement with the reference"].change == ""


def test_classes_and_stages_have_rows_of_their_own(compared: Results) -> None:
    columns = with_references(compared)
    assert [(row.figure, row.change) for row in class_rows(columns)] == [("road", "-0.30"), ("[sky]", "+0.00")]
    assert [row.figure for row in stage_rows(columns)] == ["infer p50, ms"]


def test_several_engines_are_told_apart_and_a_shared_reference_is_shown_once() -> None:
    reference = results("fp32", 0.68, 20.0)
    several = [
        msgspec.structs.replace(results("int8", 0.67, 5.0, target), reference=reference)
        for target in ("onnxruntime", "openvino")
    ]
    columns = with_references(several)
    assert column_titles(columns) == ["FP32 onnxruntime", "INT8 onnxruntime", "INT8 openvino"]
    assert "change" not in printed(several)


def test_the_table_says_what_it_was_measured_on(compared: Results) -> None:
    text = printed(compared, classes=True)
    assert "camvid val, 101 frames, 1 clip, flow: dis" in text
    assert "onnxruntime 1.2.3, 2 threads" in text
    assert "a processor, 2 cores" in text
    assert "[sky]" in text, "class names are no markup"


def test_ratios_measured_pair_by_pair_are_shown() -> None:
    text = printed([results("fp32", 0.68, 20.0), results("int8", 0.67, 5.0)], ratios=[1.0, 0.26])
    assert "×0.26" in text


def test_intervals_stand_behind_figures_and_changes(compared: Results) -> None:
    compared = msgspec.structs.replace(
        compared, intervals={"accuracy.miou": (0.66, 0.69), "drop.miou": (-0.001, 0.007), "latency_ms.p50": (4.5, 5.5)}
    )
    rows = {row.figure: row for row in figure_rows(with_references(compared))}
    assert rows["mIoU"].values == ("68.10%", "67.80% [66.00, 69.00]")
    assert rows["mIoU"].change == "-0.30 [-0.70, +0.10]"
    assert rows["latency p50, ms"].values[1] == "5.00 [4.50, 5.50]"
    assert rows["latency p50, ms"].change == "×0.25"
    assert "95 % intervals" in printed(compared)


def test_models_of_one_name_are_told_apart() -> None:
    first = results("int8", 0.5, 10.0)
    other = msgspec.structs.replace(first, bundle=msgspec.structs.replace(first.bundle, sha256="1" * 64))
    elsewhere = results("int8", 0.5, 9.0, "openvino")
    assert subject_titles([first]) == ["street"]
    assert subject_titles([first, elsewhere]) == ["street onnxruntime", "street openvino"]
    told = ["street onnxruntime #000000", "street onnxruntime #111111", "street openvino"]
    assert subject_titles([first, other, elsewhere]) == told
    assert column_titles([first, other]) == ["INT8 #000000", "INT8 #111111"]
    assert column_titles([first, first]) == ["INT8", "INT8"]
