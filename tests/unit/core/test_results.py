from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import UNSET

from etc_edge.core.errors import ResultsError
from etc_edge.core.results import Accuracy, Data, Drop, Model, Results, load_all_results, load_results, save_results

MEASURED = Results(
    bundle=Model(name="street", sha256="ab", precision="int8", model_bytes=3),
    data=Data(name="street", frames=4),
    device={"cpu": "some"},
    versions={"python": "3"},
    accuracy=Accuracy(miou=0.5, pixel_accuracy=0.75, iou={"road": 0.5}),
    drop=Drop(miou=0.01),
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    nested = Results(
        **{name: getattr(MEASURED, name) for name in MEASURED.__struct_fields__ if name != "reference"},
        reference=MEASURED,
    )
    save_results(nested, path)
    assert load_results(path) == nested


def test_what_was_not_measured_is_absent(tmp_path: Path) -> None:
    save_results(MEASURED, tmp_path / "results.json")
    written = json.loads((tmp_path / "results.json").read_text())
    assert set(written) == {"bundle", "data", "device", "versions", "schema_version", "accuracy", "drop"}
    assert written["drop"] == {"miou": 0.01}
    assert load_results(tmp_path / "results.json").temporal is UNSET


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema_version": "one"}'])
def test_files_that_hold_no_results(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ResultsError, match="which is no results file"):
        load_results(path)


def test_a_missing_file_and_another_schema(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="Found no results at"):
        load_results(tmp_path / "absent.json")
    save_results(MEASURED, tmp_path / "results.json")
    written = json.loads((tmp_path / "results.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps({**written, "schema_version": 9}))
    with pytest.raises(ResultsError, match="Found results of schema 9"):
        load_results(tmp_path / "results.json")


def test_files_of_several_models(tmp_path: Path) -> None:
    save_results([MEASURED, MEASURED], tmp_path / "two.json")
    assert load_all_results(tmp_path / "two.json") == [MEASURED, MEASURED]
    with pytest.raises(ResultsError, match="Found results of 2 models"):
        load_results(tmp_path / "two.json")
