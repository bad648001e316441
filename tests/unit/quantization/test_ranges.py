from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.core.errors import CalibrationError
from etc_edge.graph.grid import Grid, Scheme
from etc_edge.quantization.ranges import Ranges, TensorRange, encode_ranges, load_ranges, with_grids

GRAPH = "ab" * 32
RANGES = Ranges(
    graph=GRAPH,
    scheme="affine",
    observer="mse",
    data={"dataset": "street", "frames": 4},
    keep_float=["conv"],
    equalization={"x": [0.5, 1.0]},
    tensors={"x": TensorRange(-1.25, 2.5), "rectified": TensorRange(0.0, 6.0), "dead": TensorRange(0.0, 0.0)},
)


def write(tmp_path: Path, change: Callable[[Any], object] | None = None) -> Path:
    path = tmp_path / "ranges.json"
    data = json.loads(encode_ranges(RANGES))
    if change is not None:
        change(data)
    path.write_text(json.dumps(data))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    path.write_bytes(encode_ranges(RANGES))
    assert load_ranges(path, GRAPH) == RANGES
    assert path.read_text().count("\n") > 10, "people read and edit it"


def test_another_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="made for graph abababababab…, expected cdcdcdcdcdcd…") as error:
        load_ranges(write(tmp_path), "cd" * 32)
    assert error.value.hint is not None


def setting(name: str, low: Any, high: Any) -> Callable[[Any], object]:
    return lambda data: data["tensors"].update({name: {"low": low, "high": high}})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (setting("x", 1.0, 2.0), r"Found range \[1.0, 2.0\] of tensor 'x' in .*, expected low ≤ 0 ≤ high"),
        (setting("x", -2.0, -1.0), r"Found range \[-2.0, -1.0\] of tensor 'x'"),
        (setting("x", 1.0, -1.0), r"Found range \[1.0, -1.0\] of tensor 'x'"),
        (setting("x", float("nan"), 1.0), "cannot be read"),
        (setting("x", -1.0, float("inf")), "cannot be read"),
        (setting("x", -1.7e308, 1.7e308), "of tensor 'x'"),
        (setting("x", None, 1.0), "cannot be read"),
        (setting("x", "0", 1.0), "cannot be read"),
        (lambda data: data["tensors"]["x"].pop("low"), "cannot be read"),
        (lambda data: data.update(surprise=1), "cannot be read.*surprise"),
        (lambda data: data.update(scheme="binary"), "cannot be read.*binary"),
        (lambda data: data.update(schema_version=2), "Found ranges of schema 2"),
        (lambda data: data["equalization"].update(x=[0.5, 0.0]), "Found the equalisation factor 0.0 of tensor 'x'"),
        (lambda data: data["equalization"].update(x=[0.5, -1.0]), "Found the equalisation factor -1.0 of tensor 'x'"),
    ],
)
def test_ranges_that_make_no_sense(change: Callable[[Any], object], says: str, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=says):
        load_ranges(write(tmp_path, change), GRAPH)


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"{"])
def test_files_that_hold_no_ranges(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "ranges.json").write_bytes(text)
    with pytest.raises(CalibrationError, match="cannot be read"):
        load_ranges(tmp_path / "ranges.json", GRAPH)
    with pytest.raises(CalibrationError, match="Found no ranges at"):
        load_ranges(tmp_path / "absent.json", GRAPH)


@given(
    st.floats(2.0**-20, 2.0**20, width=32),
    st.integers(0, 255),
    st.booleans(),
    st.floats(-9.0, 0.0),
    st.floats(0.0, 9.0),
)
def test_ranges_of_grids_make_these_grids(scale: float, zero: int, unsigned: bool, low: float, high: float) -> None:
    grid = Grid(scale, zero if unsigned else 0, unsigned)
    scheme: Scheme = "affine" if unsigned else "symmetric"
    before = {"a": TensorRange(low, high), "b": TensorRange(low, high)}
    ranges = Ranges(graph="", scheme=scheme, observer="mse", data={}, tensors=before)
    after = with_grids(ranges, {"a": grid, "c": grid}).tensors
    assert Grid.covering(after["a"].low, after["a"].high, scheme) == grid
    assert after["b"] == before["b"]
    assert set(after) == {"a", "b"}, "a tensor without a range gets none"
