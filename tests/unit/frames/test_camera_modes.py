"""What drivers list, and what is taken of it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from etc_edge.frames.camera_modes import Mode, Wish, best_mode, camera_modes, modes
from tests.v4l2_driver import BRIDGE, META_CAPTURE, SILENT, WEBCAM, Driver, rates


def chosen(driver: Driver, wish: Wish) -> Mode | None:
    return best_mode(list(modes(driver, wish)), wish)


def test_everything_that_a_webcam_lists_is_found() -> None:
    found = list(modes(WEBCAM, Wish()))
    assert len(found) == 13
    assert {mode.format for mode in found} == {"YUYV", "H264", "MJPG"}
    assert Mode("YUYV", (1536, 2304), Fraction(2)) in found
    assert Mode("MJPG", (1080, 1920), Fraction(15)) in found


@pytest.mark.parametrize(
    ("wish", "mode"),
    [
        # Raw pictures of that size come too slowly.
        (Wish(), Mode("MJPG", (720, 1280), Fraction(30))),
        (Wish(size_hw=(480, 640)), Mode("YUYV", (480, 640), Fraction(30))),
        (Wish(size_hw=(360, 480)), Mode("YUYV", (480, 640), Fraction(30))),
        (Wish(fps=Fraction(60)), Mode("MJPG", (720, 1280), Fraction(60))),
        (Wish(fps=Fraction(10)), Mode("YUYV", (720, 1280), Fraction(10))),
        (Wish("YUYV", (720, 1280), Fraction(30)), Mode("YUYV", (480, 640), Fraction(30))),
        (Wish("YUYV", (720, 1280), Fraction(5)), Mode("YUYV", (720, 1280), Fraction(5))),
        (Wish(size_hw=(1080, 1920), fps=Fraction(15)), Mode("MJPG", (1080, 1920), Fraction(15))),
        (Wish("H264"), None),
    ],
)
def test_the_nearest_mode_is_taken(wish: Wish, mode: Mode | None) -> None:
    assert chosen(WEBCAM, wish) == mode


def test_a_range_gives_what_is_asked_for_in_its_steps() -> None:
    assert chosen(BRIDGE, Wish()) == Mode("NV12", (720, 1280), Fraction(30))
    assert chosen(BRIDGE, Wish(size_hw=(365, 485), fps=Fraction(120))) == Mode("NV12", (360, 480), Fraction(60))
    assert chosen(BRIDGE, Wish(size_hw=(4000, 4000), fps=Fraction(1, 2))) == Mode("NV12", (1944, 2592), Fraction(1))


def test_a_driver_without_rates_is_taken_at_its_word() -> None:
    assert chosen(SILENT, Wish()) == Mode("UYVY", (576, 720), None)


def test_a_device_that_gives_no_pictures_offers_nothing() -> None:
    assert list(modes(Driver({"UVCH": {}}, META_CAPTURE), Wish())) == []
    assert chosen(Driver({"RG10": {(1, 64, 64): rates(30)}}), Wish()) is None


def test_what_is_no_camera_says_so(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.write_bytes(b"")
    with pytest.raises(OSError, match="ioctl"):
        camera_modes(str(path), Wish())
