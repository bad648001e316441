"""The index of pictures: what it names is there, and inside its folder."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from etc_edge.core.errors import ResultsError
from etc_edge.core.pictures import (
    INDEX,
    FlickerMap,
    Pictures,
    check_pictures_folder,
    load_pictures,
    pictures_folder,
)
from etc_edge.core.results import Data


def test_pictures_lie_beside_their_results() -> None:
    assert pictures_folder(Path("a/results.json")) == Path("a/results.pictures")


def test_an_absent_folder_has_none(tmp_path: Path) -> None:
    assert load_pictures(tmp_path / "absent") is None


@pytest.mark.parametrize("name", ["absent.jpg", "../secret.png", "/etc/hostname"])
def test_only_files_of_the_folder_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path.parent / "secret.png").write_bytes(b"x")
    index = Pictures(
        model_sha256="0",
        data=Data(name="street", frames=1),
        worst=[],
        flicker=[FlickerMap(clip="c", share=0.1, file=name)],
    )
    (tmp_path / INDEX).write_bytes(msgspec.json.encode(index))
    with pytest.raises(ResultsError, match="Found no picture"):
        load_pictures(tmp_path)


def test_a_damaged_index(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text("{")
    with pytest.raises(ResultsError, match="which cannot be read"):
        load_pictures(tmp_path)


def test_a_folder_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    check_pictures_folder(tmp_path / "new.pictures")
    (tmp_path / "holiday.pictures").mkdir()
    with pytest.raises(ResultsError, match="would be overwritten"):
        check_pictures_folder(tmp_path / "holiday.pictures")
    (tmp_path / "holiday.pictures" / INDEX).write_text("{}")
    check_pictures_folder(tmp_path / "holiday.pictures")
