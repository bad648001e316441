from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.core.errors import DatasetError
from etc_edge.core.labels import LabelSet, distinct_color

STREET = LabelSet(("road", "car"), ((128, 64, 128), (0, 0, 142)))


@pytest.mark.parametrize(
    ("names", "colors", "void", "says"),
    [
        ((), (), 255, "Found 0 classes, expected 1 to 255"),
        (tuple(str(i) for i in range(256)), ((0, 0, 0),) * 256, 255, "Found 256 classes"),
        (("road", "road"), ((0, 0, 0),) * 2, 255, "a class name twice"),
        (("road",), ((0, 0, 0),) * 2, 255, "Found 2 colours for 1 classes"),
        (("road", "car"), ((0, 0, 0),) * 2, 1, "Found 1 as the void label, expected a value from 2 to 255"),
        (("road", "car"), ((0, 0, 0),) * 2, 256, "Found 256 as the void label"),
        (("road",), ((0, 0, 256),), 255, "Found a colour"),
        (("road",), ((0, 0),), 255, "Found a colour"),
    ],
)
def test_what_are_no_classes(names, colors, void: int, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DatasetError, match=says):
        LabelSet(names, colors, void)


def test_a_palette_has_a_colour_a_class_and_black_beyond() -> None:
    palette = STREET.palette_rgb()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert palette[:2].tolist() == [[128, 64, 128], [0, 0, 142]]
    assert not palette[2:].any()


@given(st.lists(st.integers(0, 254), min_size=1, max_size=20), st.integers(1, 255))
def test_values_are_classes_or_void(values: list[int], classes: int) -> None:
    labels = LabelSet(tuple(map(str, range(classes))), ((0, 0, 0),) * classes)
    wrong = [value for value in values if value >= classes]
    for dtype in (np.uint8, np.int16, np.int64):
        array = np.array([[*values, 255]], dtype)
        if wrong:
            with pytest.raises(DatasetError, match=f"Found label value {min(wrong)} in a.png, expected 0 to"):
                labels.check(array, "a.png")
        else:
            labels.check(array, "a.png")


@pytest.mark.parametrize("value", [-1, 256, 70000])
def test_values_that_no_byte_holds(value: int) -> None:
    with pytest.raises(DatasetError, match=f"Found label value {value} in a.png"):
        STREET.check(np.array([[0, value]], np.int32), "a.png")


def test_plain_data_and_yaml_give_the_same_classes(tmp_path: Path) -> None:
    assert LabelSet.from_dict(STREET.to_dict()) == STREET
    path = tmp_path / "classes.yaml"
    path.write_text(yaml.safe_dump({"names": ["road", "car"]}))
    read = LabelSet.from_yaml(path)
    assert read == LabelSet(("road", "car"), (distinct_color(0), distinct_color(1)))


@pytest.mark.parametrize(
    "text", ["", "names", "names: road", "names: 3", "{names: [road], colors: [red]}", "[road", "{"]
)
def test_a_file_that_holds_no_classes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(text)
    with pytest.raises(DatasetError, match="list of classes"):
        LabelSet.from_yaml(path)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Found no readable list of classes"):
        LabelSet.from_yaml(tmp_path / "absent.yaml")


def test_colours_are_those_of_the_pascal_voc_map() -> None:
    # From the PASCAL VOC development kit: aeroplane, bicycle, bird, boat, …, tv monitor, at indices 1 to 20 of its map.
    voc = [
        (128, 0, 0),
        (0, 128, 0),
        (128, 128, 0),
        (0, 0, 128),
        (128, 0, 128),
        (0, 128, 128),
        (128, 128, 128),
        (64, 0, 0),
    ]
    assert [distinct_color(index) for index in range(len(voc))] == voc
    assert len({distinct_color(index) for index in range(255)}) == 255
