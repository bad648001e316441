"""Calibration lists: evenly spread, repeatable, and checked against the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etc_edge.core.errors import CalibrationError, RecipeError
from etc_edge.data.dataset import open_dataset
from etc_edge.data.sampling import CalibrationList, Run, listed_frames, load_list, sample_list, save_list

STREET = "synthetic:street?size=48x64&frames=12&train=5&val=2&truth=no"
SHIPPED = sorted((Path(__file__).parents[3] / "calibration").glob("*.yaml"))


def test_frames_are_spread_over_all_clips() -> None:
    chosen = sample_list(open_dataset(STREET), "train", 20, run=4)
    assert chosen.frame_count == 20
    assert {run.clip for run in chosen.runs()} == {f"street-{1_000_000 + i}" for i in range(5)}
    assert all(run.frames == 4 for run in chosen.runs())
    assert chosen == sample_list(open_dataset(STREET), "train", 20, run=4)


def test_runs_never_overlap_and_stay_in_their_clip() -> None:
    chosen = sample_list(open_dataset(STREET), "train", 10_000, run=5)
    frames = [(run.clip, index) for run in chosen.runs() for index in run.indices()]
    assert len(set(frames)) == len(frames) == 5 * 10
    assert max(index for _, index in frames) < 12


def test_more_frames_than_there_are_gives_all() -> None:
    assert sample_list(open_dataset(STREET), "val", 500).frame_count == 24


def test_a_list_goes_to_a_file_and_back(tmp_path: Path) -> None:
    chosen = sample_list(open_dataset(STREET), "train", 9, run=3)
    save_list(chosen, tmp_path / "list.yaml")
    assert load_list(tmp_path / "list.yaml") == chosen


def test_frames_are_read_in_the_lists_order() -> None:
    dataset = open_dataset(STREET)
    chosen = CalibrationList(
        dataset="street", split="val", clips=(Run(clip="street-9000001", first=2, frames=3, step=2), "street-9000000")
    )
    frames = list(listed_frames(dataset, chosen))
    assert [frame.index for frame in frames] == [2, 4, 6, 0]
    np.testing.assert_array_equal(frames[3].image_rgb, dataset.clips("val")[0][0].image_rgb)


@pytest.mark.parametrize(
    ("entries", "dataset", "message"),
    [
        (("street-1",), "camvid", "for a calibration list of 'camvid'"),
        (("street-9000002",), "street", "which split 'val' of street has not"),
        ((Run(clip="street-9000000", first=10, frames=3),), "street", "Found frame 12"),
    ],
)
def test_lists_that_do_not_fit_the_data(entries: tuple[str | Run, ...], dataset: str, message: str) -> None:
    chosen = CalibrationList(dataset=dataset, split="val", clips=entries)
    with pytest.raises(CalibrationError, match=message):
        list(listed_frames(open_dataset(STREET), chosen))


def test_wrong_files(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("dataset: street\nsplit: val\nclips: []\n")
    with pytest.raises(CalibrationError, match="no frames"):
        load_list(path)
    path.write_text("dataset: street\nsplit: val\nclips: [{clip: a, frames: 0}]\n")
    with pytest.raises(CalibrationError, match="no frames"):
        load_list(path)
    path.write_text("dataset: street\nsplit: val\nclip: [a]\n")
    with pytest.raises(RecipeError, match="clips"):
        load_list(path)
    for frames, run in ((0, 1), (5, 0)):
        with pytest.raises(CalibrationError, match="1 or more"):
            sample_list(open_dataset(STREET), "val", frames, run)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_lists_can_be_read(path: Path) -> None:
    assert load_list(path).frame_count >= 100


def test_the_shipped_street_list_fits_the_street() -> None:
    chosen = load_list(Path(__file__).parents[3] / "calibration" / "street-train.yaml")
    dataset = open_dataset("synthetic:street?size=32x32&truth=no")
    first = next(listed_frames(dataset, chosen))
    assert first.image_rgb.shape == (32, 32, 3)
