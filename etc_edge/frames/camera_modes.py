"""What a V4L2 camera offers, asked of its driver, and which of it to take."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import log

# Requests, flags and layouts as linux/videodev2.h has them.
ENUM_FMT, ENUM_FRAMESIZES, ENUM_FRAMEINTERVALS, QUERYCAP = 0xC0405602, 0xC02C564A, 0xC034564B, 0x80685600
CAPTURE = 1
DISCRETE = 1
CAN_CAPTURE = 0x1
FORMAT = struct.Struct("=III32sI16x")  # index, type, flags, description, pixelformat
SIZES = struct.Struct("=III6I8x")  # index, pixelformat, type, then (width, height), or least, most and step of both
INTERVALS = struct.Struct("=IIIII6I8x")  # index, pixelformat, width, height, type, then fractions of a second
CAPABILITY = struct.Struct("=16s32s32sIII12x")  # driver, card, bus, version, capabilities, those of this device

# What OpenCV turns into pictures, best first: what is raw is not decoded, but seldom fast at large sizes.
READABLE = ("YUYV", "UYVY", "NV12", "YU12", "RGB3", "BGR3", "MJPG", "JPEG", "GREY")

USUAL_SIZE_HW, USUAL_FPS = (720, 1280), Fraction(30)

Ask = Callable[[int, bytearray], object]


@dataclass(frozen=True)
class Mode:
    """One way to run a camera.

    Args:
        format: four characters, as V4L2 names it.
        size_hw: height and width in pixels.
        fps: frames a second; None where the driver does not say.
    """

    format: str
    size_hw: tuple[int, int]
    fps: Fraction | None


@dataclass(frozen=True)
class Wish:
    """What is asked of a camera; None leaves it to what is usual.

    Args:
        format: four characters, as V4L2 names it.
        size_hw: height and width in pixels.
        fps: frames a second.
    """

    format: str | None = None
    size_hw: tuple[int, int] | None = None
    fps: Fraction | None = None

    def __str__(self) -> str:
        size = f"{self.size_hw[0]}x{self.size_hw[1]}" if self.size_hw else ""
        return " ".join(part for part in (self.format, size, f"at {self.fps} fps" if self.fps else "") if part)


def camera_modes(device: str, wish: Wish) -> list[Mode]:
    """Ask a camera's driver what it offers.

    Args:
        device: such as `/dev/video0`.
        wish: where a camera takes any size or rate in a range, the nearest to this is listed.

    Raises:
        OSError: it cannot be opened, or is no V4L2 device.
    """
    descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        return list(modes(lambda request, data: fcntl.ioctl(descriptor, request, data), wish))
    finally:
        os.close(descriptor)


def captures(ask: Ask) -> bool:
    """Whether a device gives pictures; cameras have others beside that give data about pictures."""
    data = bytearray(CAPABILITY.size)
    ask(QUERYCAP, data)
    *_, driver, device = CAPABILITY.unpack(data)
    return bool((device or driver) & CAN_CAPTURE)


def modes(ask: Ask, wish: Wish) -> Iterator[Mode]:
    """Every mode that a driver lists through `ask`, which is `ioctl` on its device."""
    if not captures(ask):
        return
    for (pixels,) in _listed(ask, ENUM_FMT, FORMAT, (CAPTURE,), slice(4, 5)):
        name = struct.pack("=I", pixels).decode("latin-1").strip()
        for kind, *size in _listed(ask, ENUM_FRAMESIZES, SIZES, (pixels,), slice(2, None)):
            width, height = (size[0], size[1]) if kind == DISCRETE else _within(size, wish.size_hw or USUAL_SIZE_HW)
            for fps in _rates(ask, pixels, width, height, wish.fps or USUAL_FPS):
                yield Mode(name, (height, width), fps)


def best_mode(offered: list[Mode], wish: Wish) -> Mode | None:
    """The mode that comes nearest to a wish, None where nothing that is offered can be read or has its format.

    The rate counts first, then the size, then which format costs least.
    """
    readable = [mode for mode in offered if mode.format in READABLE]
    if wish.format is not None:
        readable = [mode for mode in readable if mode.format == wish.format]
    return min(readable, key=lambda mode: _distance(mode, wish), default=None)


def _distance(mode: Mode, wish: Wish) -> tuple[float, float, int]:
    wanted_fps, wanted_hw = float(wish.fps or USUAL_FPS), wish.size_hw or USUAL_SIZE_HW
    fps = float(mode.fps or wanted_fps)
    # 29.97 is as good as 30; faster than asked for only costs.
    off = abs(log(fps / wanted_fps)) * (1 if fps < wanted_fps else 0.1)
    apart = sum(abs(log(found / wanted)) for found, wanted in zip(mode.size_hw, wanted_hw, strict=True))
    return round(off, 1), round(apart, 3), READABLE.index(mode.format)


def _rates(ask: Ask, pixels: int, width: int, height: int, wanted: Fraction) -> list[Fraction | None]:
    rates: list[Fraction | None] = []
    for kind, *seconds in _listed(ask, ENUM_FRAMEINTERVALS, INTERVALS, (pixels, width, height), slice(4, None)):
        if kind == DISCRETE:
            rates.append(Fraction(seconds[1], seconds[0]) if seconds[0] else None)
        else:
            least, most = Fraction(seconds[0], seconds[1]), Fraction(seconds[2], seconds[3])
            rates.append(1 / min(max(1 / wanted, least), most))
    return rates or [None]


def _listed(
    ask: Ask, request: int, layout: struct.Struct, given: tuple[int, ...], wanted: slice
) -> Iterator[tuple[int, ...]]:
    """What a driver lists, entry by entry, until it says that there is no more."""
    index = 0
    while True:
        data = bytearray(layout.size)
        struct.pack_into(f"={1 + len(given)}I", data, 0, index, *given)
        try:
            ask(request, data)
        except OSError:
            return
        yield layout.unpack(data)[wanted]
        index += 1


def _within(limits: list[int], wanted_hw: tuple[int, int]) -> tuple[int, int]:
    """The width and height nearest to those wanted: limits are least, most and step of the width, then the height."""
    width, height = (
        least + (min(max(wanted, least), most) - least) // max(step, 1) * max(step, 1)
        for wanted, (least, most, step) in zip(reversed(wanted_hw), (limits[:3], limits[3:]), strict=True)
    )
    return width, height
