"""Flow on disk and back, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from etc_edge.core.errors import DatasetError
from etc_edge.flow.stored import load_flow, save_flow


@pytest.fixture
def flow() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 4, (5, 7, 2)).astype(np.float32)


def test_flo_is_exact_and_opencv_reads_it(flow: np.ndarray, tmp_path: Path) -> None:
    save_flow(flow, tmp_path / "a.flo")
    np.testing.assert_array_equal(load_flow(tmp_path / "a.flo"), flow)
    np.testing.assert_array_equal(cv2.readOpticalFlow(str(tmp_path / "a.flo")), flow)


def test_opencvs_flo_is_read(flow: np.ndarray, tmp_path: Path) -> None:
    cv2.writeOpticalFlow(str(tmp_path / "b.flo"), flow)
    np.testing.assert_array_equal(load_flow(tmp_path / "b.flo"), flow)


def test_npz_is_within_its_half_precision(flow: np.ndarray, tmp_path: Path) -> None:
    save_flow(flow, tmp_path / "a.npz")
    loaded = load_flow(tmp_path / "a.npz")
    assert loaded.dtype == np.float32
    np.testing.assert_allclose(loaded, flow, atol=1 / 128)


def test_what_is_damaged_is_refused(flow: np.ndarray, tmp_path: Path) -> None:
    whole = tmp_path / "a.flo"
    save_flow(flow, whole)
    data = whole.read_bytes()
    for name, content in {
        "tag.flo": b"PIEX" + data[4:],
        "cut.flo": data[:-1],
        "empty.flo": b"",
        "huge.flo": struct.pack("<fii", 202021.25, 1 << 30, 1 << 30),
        "none.npz": b"",
        "text.npz": b"flow",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DatasetError, match=name):
            load_flow(tmp_path / name)
    with pytest.raises(DatasetError, match="no flow"):
        load_flow(tmp_path / "absent.flo")
    np.savez(tmp_path / "shape.npz", flow=np.zeros((3, 3)))
    with pytest.raises(DatasetError, match="shape"):
        load_flow(tmp_path / "shape.npz")
    with pytest.raises(DatasetError, match="shape"):
        save_flow(np.zeros((3, 3), np.float32), tmp_path / "c.flo")
    assert not (tmp_path / "c.flo").exists()


def test_any_byte_of_an_npz_may_be_damaged(flow: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_flow(flow, path)
    whole, kept, refused = path.read_bytes(), load_flow(path), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            # Dates and attributes of a zip file say nothing about what it holds.
            np.testing.assert_array_equal(load_flow(path), kept)
        except DatasetError:
            refused += 1
    assert refused > len(whole) / 2


def test_a_single_array_is_no_npz(flow: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", flow)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(DatasetError, match="holds no array named flow"):
        load_flow(tmp_path / "a.npz")
