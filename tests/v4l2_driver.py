"""A V4L2 driver's answers, laid out by ctypes after linux/videodev2.h: what a camera lists, entry by entry."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Mapping

U8, U32 = ctypes.c_uint8, ctypes.c_uint32


class Capability(ctypes.Structure):
    _fields_ = (
        ("driver", U8 * 16), ("card", U8 * 32), ("bus_info", U8 * 32), ("version", U32),
        ("capabilities", U32), ("device_caps", U32), ("reserved", U32 * 3),
    )  # fmt: skip


class Format(ctypes.Structure):
    _fields_ = (
        ("index", U32), ("type", U32), ("flags", U32), ("description", U8 * 32), ("pixelformat", U32),
        ("mbus_code", U32), ("reserved", U32 * 3),
    )  # fmt: skip


class Sizes(ctypes.Structure):
    _fields_ = (("index", U32), ("pixel_format", U32), ("type", U32), ("numbers", U32 * 6), ("reserved", U32 * 2))


class Intervals(ctypes.Structure):
    _fields_ = (
        ("index", U32), ("pixel_format", U32), ("width", U32), ("height", U32), ("type", U32),
        ("numbers", U32 * 6), ("reserved", U32 * 2),
    )  # fmt: skip


# The kernel's numbers, as a C compiler gives them.
QUERYCAP, ENUM_FMT, ENUM_FRAMESIZES, ENUM_FRAMEINTERVALS = 0x80685600, 0xC0405602, 0xC02C564A, 0xC034564B
DISCRETE, CONTINUOUS, STEPWISE = 1, 2, 3
VIDEO_CAPTURE, META_CAPTURE, STREAMING, DEVICE_CAPS = 0x1, 0x800000, 0x4000000, 0x80000000


def pixels(name: str) -> int:
    """A format's four characters as its number."""
    return int.from_bytes(name.ljust(4).encode(), "little")


class Driver:
    """Answers `ioctl` as a driver does.

    Args:
        listed: by format and (type, *numbers) of its sizes, the (type, *numbers) of their intervals.
        kind: what the device itself can do.
    """

    def __init__(
        self, listed: Mapping[str, Mapping[tuple[int, ...], list[tuple[int, ...]]]], kind: int = VIDEO_CAPTURE
    ) -> None:
        self._listed, self._kind = listed, kind

    def __call__(self, request: int, data: bytearray) -> int:
        answer = {
            QUERYCAP: self._capability,
            ENUM_FMT: self._format,
            ENUM_FRAMESIZES: self._size,
            ENUM_FRAMEINTERVALS: self._interval,
        }[request]
        try:
            answer(data)
        except (IndexError, KeyError) as error:
            raise OSError(errno.EINVAL, "Invalid argument") from error
        return 0

    def _capability(self, data: bytearray) -> None:
        found = Capability.from_buffer(data)
        found.capabilities = VIDEO_CAPTURE | META_CAPTURE | STREAMING | DEVICE_CAPS
        found.device_caps = self._kind | STREAMING

    def _format(self, data: bytearray) -> None:
        found = Format.from_buffer(data)
        if found.type != 1:
            raise KeyError(found.type)
        found.pixelformat = pixels(list(self._listed)[found.index])

    def _size(self, data: bytearray) -> None:
        found = Sizes.from_buffer(data)
        found.type, *numbers = list(self._sizes(found.pixel_format))[found.index]
        found.numbers = (U32 * 6)(*numbers)

    def _interval(self, data: bytearray) -> None:
        found = Intervals.from_buffer(data)
        for size, intervals in self._sizes(found.pixel_format).items():
            if size[0] != DISCRETE or size[1:] == (found.width, found.height):
                found.type, *numbers = intervals[found.index]
                found.numbers = (U32 * 6)(*numbers)
                return
        raise KeyError(found.width)

    def _sizes(self, pixel_format: int) -> Mapping[tuple[int, ...], list[tuple[int, ...]]]:
        return next(sizes for name, sizes in self._listed.items() if pixels(name) == pixel_format)


def rates(*fps: int) -> list[tuple[int, ...]]:
    """Discrete intervals."""
    return [(DISCRETE, 1, rate) for rate in fps]


# Raw pictures are too much for USB 2 beyond 640×480; what is compressed keeps its rate. H.264 OpenCV cannot read.
WEBCAM = Driver(
    {
        "YUYV": {
            (DISCRETE, 640, 480): rates(30, 24, 15),
            (DISCRETE, 1280, 720): rates(10, 5),
            (DISCRETE, 2304, 1536): rates(2),
        },
        "H264": {(DISCRETE, 1280, 720): rates(30), (DISCRETE, 1920, 1080): rates(30)},
        "MJPG": {
            (DISCRETE, 640, 480): rates(30),
            (DISCRETE, 1280, 720): rates(60, 30),
            (DISCRETE, 1920, 1080): rates(30, 15),
        },
    }
)

# Any size in steps of 16 by 8, and any rate in a range, as bridges of CSI sensors have it.
BRIDGE = Driver({"NV12": {(STEPWISE, 64, 2592, 16, 64, 1944, 8): [(CONTINUOUS, 1, 60, 1, 1, 1, 1)]}})

# An old driver that lists no intervals.
SILENT = Driver({"UYVY": {(DISCRETE, 720, 576): []}})
