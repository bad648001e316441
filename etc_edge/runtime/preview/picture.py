"""One result as bytes for a browser: a JPEG of the frame, and its labels to be coloured there.

The page lays colours over the picture itself, so one encoding serves everybody, whatever opacity and classes they
choose. Labels are compressed by zlib, whose format browsers read.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.overlay import blend

UInt8 = npt.NDArray[np.uint8]

# Frames are shrunk to fit into this square: enough for a large window, and a quarter of the work at full HD.
LONGEST_PX = 960
QUALITY = 80
OPACITY = 0.5


class Header(msgspec.Struct, frozen=True):
    """What stands before the bytes of a picture.

    Args:
        stream: its number, from 0.
        index: of the frame in its source.
        time_s: of the frame, in seconds since the source's first.
        latency_ms: from the frame in hand to its labels in hand.
        size_hw: of the labels.
        jpeg_bytes: how many of the bytes are the JPEG; the rest are the labels.
    """

    stream: int
    index: int
    time_s: float
    latency_ms: float
    size_hw: tuple[int, int]
    jpeg_bytes: int


@dataclass(frozen=True)
class Picture:
    """An encoded result: `index` of its frame, and a message or a JPEG."""

    index: int
    data: bytes


def shrink(result: SegmentedFrame, longest_px: int = LONGEST_PX) -> tuple[UInt8, UInt8]:
    """Picture uint8 (h, w, 3) and labels uint8 (h, w) of a result, no longer than that on either side."""
    import cv2

    image, labels = result.frame.image_rgb, result.labels
    height, width = labels.shape
    scale = longest_px / max(height, width)
    if scale >= 1:
        return image, labels
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), np.asarray(
        cv2.resize(labels, size_wh, interpolation=cv2.INTER_NEAREST), np.uint8
    )


def layers(result: SegmentedFrame, stream: int, longest_px: int = LONGEST_PX) -> Picture:
    """A message for the page: length of the header (uint32, little-endian), header (JSON), JPEG, labels (zlib)."""
    image, labels = shrink(result, longest_px)
    picture = jpeg(image)
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    packed = packer.compress(np.ascontiguousarray(labels).data) + packer.flush()
    height, width = labels.shape
    header = msgspec.json.encode(
        Header(
            stream,
            result.index,
            round(result.timestamp_s, 3),
            round(result.latency_ms, 2),
            (height, width),
            len(picture),
        )
    )
    return Picture(result.index, b"".join((len(header).to_bytes(4, "little"), header, picture, packed)))


def overlay(result: SegmentedFrame, palette_rgb: UInt8, longest_px: int = LONGEST_PX) -> Picture:
    """A JPEG of the frame with its labels over it, for viewers that are no browser.

    Args:
        result: what to show.
        palette_rgb: uint8 (256, 3), a colour for each label value.
        longest_px: of the JPEG's longer side.
    """
    image, labels = shrink(result, longest_px)
    return Picture(result.index, jpeg(blend(image, labels, palette_rgb, OPACITY)))


def jpeg(image_rgb: UInt8) -> bytes:
    """A JPEG of a picture uint8 (H, W, 3), red first."""
    import cv2

    # Converted by OpenCV: encoding a reversed view takes three times as long.
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(encoded)
