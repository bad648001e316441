"""Flow that is estimated once: what is kept, what is read, and what happens to damage."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.core.errors import DatasetError, EtcEdgeError
from etc_edge.core.progress import Silent
from etc_edge.flow.base import FlowField, open_flow
from etc_edge.flow.store import FlowStore
from etc_edge.flow.stored import load_flow, save_flow


class Difference:
    """An estimator that counts its calls: the difference of two frames' means everywhere, and a third."""

    def __init__(self, name: str = "difference", scale: float = 1.0) -> None:
        self.name, self.scale, self.calls = name, scale, 0

    def __call__(self, image_rgb: np.ndarray, next_rgb: np.ndarray, /) -> FlowField:
        self.calls += 1
        if image_rgb.shape != next_rgb.shape:
            raise EtcEdgeError("Found frames of two sizes, expected one size.")
        step = np.float32(self.scale * (float(next_rgb.mean()) - float(image_rgb.mean()) + 1 / 3))
        return np.full((*image_rgb.shape[:2], 2), step, np.float32)


class Heard(Silent):
    """Progress that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def frame(value: int, size_hw: tuple[int, int] = (6, 8)) -> np.ndarray:
    return np.full((*size_hw, 3), value, np.uint8)


def test_a_pair_is_estimated_once_and_every_call_gives_the_same(tmp_path: Path) -> None:
    estimate = Difference()
    store = FlowStore(tmp_path / "flow", estimate)
    first = store.between("clip", 3, 5, frame(10), frame(14))
    again = FlowStore(tmp_path / "flow", estimate).between("clip", 3, 5, frame(10), frame(14))
    assert estimate.calls == 1
    assert first.dtype == again.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, 4 + 1 / 3, atol=1 / 256)
    np.testing.assert_array_equal(load_flow(store.path("clip", 3, 5)), first)
    first[:] = 0
    np.testing.assert_array_equal(store.between("clip", 3, 5, frame(10), frame(14)), again)


def test_clips_frames_directions_and_estimators_are_kept_apart(tmp_path: Path) -> None:
    wanted = {}
    for name, scale in (("one", 1.0), ("other", 2.0)):
        store = FlowStore(tmp_path, Difference(name, scale))
        for clip in ("a", "b"):
            for index, other in ((0, 1), (1, 0), (0, 11), (1, 10)):
                at = (name, clip, index, other)
                wanted[at] = store.between(clip, index, other, frame(len(wanted)), frame(100))
    for name, scale in (("one", 1.0), ("other", 2.0)):
        store = FlowStore(tmp_path, Difference(name, scale))
        for (estimator, clip, index, other), flow in wanted.items():
            if estimator == name:
                np.testing.assert_array_equal(store.between(clip, index, other, frame(0), frame(0)), flow)
    assert len({flow[0, 0, 0] for flow in wanted.values()}) == len(wanted)


@given(st.text(), st.text())
def test_names_of_clips_never_meet_and_never_leave_the_folder(name: str, another: str) -> None:
    store = FlowStore(Path("flow"), Difference())
    one, other = (store.path(clip, 0, 1).parent for clip in (name, another))
    assert one.parent == other.parent == Path("flow/difference")
    assert not {one.name, other.name} & {"", ".", ".."}
    assert (one == other) == (name == another)


@pytest.mark.parametrize("name", ["..", ".", "", "aachen/000", "../../x", "a\0b", "Straße", "raft-my own?-12"])
def test_any_name_can_be_kept(name: str, tmp_path: Path) -> None:
    store = FlowStore(tmp_path, Difference(name))
    kept = store.between(name, 0, 1, frame(1), frame(2))
    np.testing.assert_array_equal(store.between(name, 0, 1, frame(1), frame(2)), kept)
    assert [path.relative_to(tmp_path).parts[2] for path in tmp_path.rglob("*.npz")] == ["0-1.npz"]


@pytest.mark.parametrize("content", [b"", b"no flow", None])
def test_a_damaged_file_is_estimated_anew_with_a_word(content: bytes | None, tmp_path: Path) -> None:
    heard, estimate = Heard(), Difference()
    store = FlowStore(tmp_path, estimate, heard)
    kept = store.between("clip", 0, 1, frame(1), frame(2))
    path = store.path("clip", 0, 1)
    path.write_bytes(path.read_bytes()[:-30] if content is None else content)
    np.testing.assert_array_equal(store.between("clip", 0, 1, frame(1), frame(2)), kept)
    assert estimate.calls == 2
    assert heard.lines == [f"Found {path}, which holds no array named flow that can be read. It is estimated anew."]
    store.between("clip", 0, 1, frame(1), frame(2))
    assert (estimate.calls, len(heard.lines)) == (2, 1)


def test_flow_of_another_size_is_refused_and_stays(tmp_path: Path) -> None:
    store = FlowStore(tmp_path, Difference())
    store.between("clip", 0, 1, frame(1), frame(2))
    with pytest.raises(DatasetError, match="Found flow of 6×8 pixels in .*0-1.npz, expected .* 12×16 and 12×16"):
        store.between("clip", 0, 1, frame(1, (12, 16)), frame(2, (12, 16)))
    with pytest.raises(DatasetError, match="6×8 and 12×16"):
        store.between("clip", 0, 1, frame(1), frame(2, (12, 16)))
    assert store.between("clip", 0, 1, frame(1), frame(2)).shape == (6, 8, 2)


def test_what_the_estimator_refuses_is_not_kept(tmp_path: Path) -> None:
    store = FlowStore(tmp_path, Difference())
    with pytest.raises(EtcEdgeError, match="two sizes"):
        store.between("clip", 0, 1, frame(1), frame(2, (12, 16)))
    with pytest.raises(DatasetError, match="Found flow by huge beyond what float16 can hold"):
        FlowStore(tmp_path, Difference("huge", 1e6)).between("clip", 0, 1, frame(1), frame(2))
    assert list(tmp_path.rglob("*.npz")) == []


def test_flow_that_was_kept_by_other_means_is_read(tmp_path: Path) -> None:
    estimate = Difference()
    store = FlowStore(tmp_path, estimate)
    save_flow(np.full((6, 8, 2), 2.5, np.float32), store.path("clip", 0, 1))
    np.testing.assert_array_equal(store.between("clip", 0, 1, frame(1), frame(2)), 2.5)
    assert estimate.calls == 0


def test_serves_a_real_estimator(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (48, 64, 3), np.uint8)
    following = np.roll(image, 2, 1)
    kept = FlowStore(tmp_path, open_flow("dis-fast")).between("clip", 0, 1, image, following)
    np.testing.assert_allclose(kept, open_flow("dis-fast")(image, following), atol=1 / 32)


def keep_all(folder: Path) -> list[float]:
    """Ask for the same pairs as every other process."""
    store = FlowStore(folder, Difference())
    pairs = [(index, index + 1) for index in range(20)]
    return [float(store.between("clip", *pair, frame(pair[0]), frame(9))[3, 4, 1]) for pair in pairs]


def test_several_processes_may_fill_one_folder_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, get_context("spawn")) as pool:
        found = list(pool.map(keep_all, [tmp_path] * 4))
    assert found[0] == found[1] == found[2] == found[3]
    files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert files == sorted(f"{index}-{index + 1}.npz" for index in range(20)), "and no half-written ones"
    assert keep_all(tmp_path) == found[0]


def test_travels_to_other_processes(tmp_path: Path) -> None:
    again = pickle.loads(pickle.dumps(FlowStore(tmp_path, Difference())))
    assert again.between("clip", 0, 1, frame(1), frame(2)).shape == (6, 8, 2)
