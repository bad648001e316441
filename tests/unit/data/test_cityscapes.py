"""Cityscapes' stills and sequences."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from etc_edge.core.errors import DatasetError
from etc_edge.data.cityscapes import LABEL_ID_TO_CLASS, LABEL_SET
from etc_edge.data.dataset import open_dataset
from tests.unit.data.stored_images import write_image, write_labels


def frame(root: Path, folder: str, city: str, snippet: int, number: int) -> None:
    write_image(root / folder / "val" / city / f"{city}_{snippet:06}_{number:06}_leftImg8bit.png")


def labels(root: Path, city: str, snippet: int, number: int, kind: str = "labelIds", value: int = 26) -> None:
    write_labels(root / "gtFine" / "val" / city / f"{city}_{snippet:06}_{number:06}_gtFine_{kind}.png", value=value)


def test_label_ids_are_the_published_ones() -> None:
    # https://github.com/mcordts/cityscapesScripts, helpers/labels.py
    expected = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13}
    expected |= {27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
    assert {value: name for value, name in enumerate(LABEL_ID_TO_CLASS) if name != 255} == expected
    assert LABEL_SET.names[13] == "car"
    assert len(LABEL_SET) == 19


def test_stills(tmp_path: Path) -> None:
    for city in ("lindau", "aachen"):
        frame(tmp_path, "leftImg8bit", city, 0, 19)
        labels(tmp_path, city, 0, 19)
    dataset = open_dataset(tmp_path)
    assert (dataset.name, dataset.splits) == ("cityscapes", ("val",))
    clips = dataset.clips("val")
    assert [clip.name for clip in clips] == ["aachen_000000_000019", "lindau_000000_000019"]
    read = clips[0][0].labels
    assert read is not None
    assert (read == 13).all()


def test_sequences_are_clips_with_one_labelled_frame(tmp_path: Path) -> None:
    for number in range(18, 22):
        frame(tmp_path, "leftImg8bit_sequence", "ulm", 3, number)
    frame(tmp_path, "leftImg8bit_sequence", "ulm", 4, 22)
    frame(tmp_path, "leftImg8bit", "ulm", 3, 19)
    labels(tmp_path, "ulm", 3, 19)
    clips = open_dataset(tmp_path).clips("val")
    assert [(len(clip), clip.fps, list(clip.labelled)) for clip in clips] == [(4, Fraction(17), [1]), (1, None, [])]
    assert clips[0][0].labels is None


def test_train_ids_are_taken_as_they_are(tmp_path: Path) -> None:
    frame(tmp_path, "leftImg8bit", "ulm", 0, 19)
    labels(tmp_path, "ulm", 0, 19, "labelTrainIds", 4)
    read = open_dataset(tmp_path).clips("val")[0][0].labels
    assert read is not None
    assert (read == 4).all()


def test_foreign_names_and_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "leftImg8bit" / "val" / "ulm").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no images"):
        open_dataset(tmp_path).clips("val")
    write_image(tmp_path / "leftImg8bit" / "val" / "ulm" / "ulm.png")
    with pytest.raises(DatasetError, match="expected names such as"):
        open_dataset(tmp_path).clips("val")
    with pytest.raises(DatasetError, match="layout of Cityscapes"):
        open_dataset(tmp_path / "gtFine", "cityscapes")
