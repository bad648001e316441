"""A result as bytes for a browser, read back with OpenCV and zlib."""

from __future__ import annotations

import zlib

import cv2
import msgspec
import numpy as np
import pytest

from etc_edge.runtime.preview.picture import Header, layers, overlay
from tests.shown_run import result
from tests.tiny_bundle import LABELS


@pytest.mark.parametrize("size_hw", [(96, 144), (97, 145)])
def test_layers_hold_the_frame_and_exactly_its_labels(size_hw: tuple[int, int]) -> None:
    shown = result(3, size_hw)
    data = layers(shown, 2).data
    end = 4 + int.from_bytes(data[:4], "little")
    header = msgspec.json.decode(data[4:end], type=Header)
    assert (header.stream, header.index, header.size_hw) == (2, 3, size_hw)
    labels = np.frombuffer(zlib.decompress(data[end + header.jpeg_bytes :]), np.uint8).reshape(size_hw)
    np.testing.assert_array_equal(labels, shown.labels)
    image_bgr = cv2.imdecode(np.frombuffer(data[end : end + header.jpeg_bytes], np.uint8), cv2.IMREAD_COLOR)
    assert image_bgr is not None
    # Noise does not survive a JPEG; red, green and blue do, and in their order.
    assert np.abs(image_bgr[..., ::-1].astype(int) - shown.frame.image_rgb).mean() < 20


def test_a_large_frame_is_shrunk_with_its_labels() -> None:
    shown = result(1, (600, 1200))
    data = layers(shown, 0, longest_px=300).data
    end = 4 + int.from_bytes(data[:4], "little")
    header = msgspec.json.decode(data[4:end], type=Header)
    assert header.size_hw == (150, 300)
    labels = np.frombuffer(zlib.decompress(data[end + header.jpeg_bytes :]), np.uint8).reshape(150, 300)
    assert set(np.unique(labels)) <= {0, 1, 2}
    assert np.mean(labels == shown.labels[::4, ::4]) > 0.9


def test_an_overlay_is_a_jpeg_of_the_blend() -> None:
    shown = result(2)
    image = cv2.imdecode(np.frombuffer(overlay(shown, LABELS.palette_rgb()).data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    blended = (shown.frame.image_rgb.astype(int) + LABELS.palette_rgb()[shown.labels]) // 2
    assert np.abs(image[..., ::-1].astype(int) - blended).mean() < 20
