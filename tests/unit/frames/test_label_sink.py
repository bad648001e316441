"""Labels as PNG files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from etc_edge.frames.label_sink import LabelSink
from tests.moving_square import result


def test_files_hold_the_labels_exactly(tmp_path: Path) -> None:
    with LabelSink(tmp_path) as sink:
        for index in (0, 3):
            sink.write(result(index))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000.png", "000003.png"]
    stored = cv2.imread(str(tmp_path / "000003.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored, result(3).labels)


def test_aborting_leaves_what_others_put_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    sink = LabelSink(tmp_path)
    sink.write(result(0))
    sink.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
