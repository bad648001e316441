"""Cameras of sysfs, on constructed file trees."""

from __future__ import annotations

from pathlib import Path

from etc_edge.frames.attached_cameras import attached_cameras
from tests.constructed_boards import ORIN_NANO_JETPACK_6


def test_cameras_are_named_once_each_with_the_source_that_reads_them(tmp_path: Path) -> None:
    found = attached_cameras(ORIN_NANO_JETPACK_6.write(tmp_path))
    assert [(one.device, one.name, one.csi) for one in found] == [
        ("/dev/video0", "vi-output, imx219 9-0010", "csi://0"),
        ("/dev/video1", "vi-output, imx219 10-0010", "csi://1"),
        ("/dev/video2", "HD Pro Webcam C920", None),
    ]


def test_numbers_are_counted_and_not_spelled(tmp_path: Path) -> None:
    for number in (10, 2):
        (tmp_path / f"sys/class/video4linux/video{number}").mkdir(parents=True)
    found = attached_cameras(tmp_path)
    assert [one.device for one in found] == ["/dev/video2", "/dev/video10"]
    assert found[0].name == "without a name"


def test_none_is_attached(tmp_path: Path) -> None:
    assert attached_cameras(tmp_path) == ()
