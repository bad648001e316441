"""Labels in colour over their frame, with a legend and the frame rate."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from etc_edge.core.labels import LabelSet
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.lettering import lettering
from etc_edge.frames.panel import Color, Panel

UInt8 = npt.NDArray[np.uint8]

WHITE: Color = (245, 245, 245)
GREY: Color = (190, 194, 200)
DIM: Color = (120, 124, 130)
# The legend's figures would flicker if they followed every frame.
SMOOTHING = 0.12
# How many frames figures stand before they are written anew: drawing letters costs more than all the rest.
FIGURES_STAND = 8
ABSENT = "-"


class Overlay:
    """Draws results for people to look at.

    Args:
        label_set: names and colours.
        opacity: how much the colours cover the picture, 0 to 1.
        title: what to write above, such as the model's name.
        legend: whether to draw the bar with classes and their shares of the picture.
        clock: seconds that pass between frames, for the frame rate.
        again: draw pictures of one size into the same array, for callers that are done with each before the next.
    """

    def __init__(
        self,
        label_set: LabelSet,
        opacity: float = 0.5,
        title: str = "",
        legend: bool = True,
        clock: Callable[[], float] = time.perf_counter,
        again: bool = False,
    ) -> None:
        self._label_set = label_set
        self._opacity = opacity
        self._title = title
        self._legend = legend
        self._clock = clock
        self._again = again
        self._drawn: UInt8 | None = None
        self._palette = label_set.palette_rgb()
        self._shares: npt.NDArray[np.float64] | None = None
        self._below: Panel | None = None
        self._above: Panel | None = None
        self._age = 0
        self._shape: tuple[int, ...] = ()
        self._last_s: float | None = None
        self._interval_s: float | None = None
        self._latency_ms: float | None = None

    def __call__(self, result: SegmentedFrame) -> UInt8:
        """Draw one result: uint8 (H, W, 3), red first, of the frame's size; the frame is left as it is."""
        image = blend(result.frame.image_rgb, result.labels, self._palette, self._opacity, self._drawn)
        self._drawn = image if self._again else None
        self._take_time(result.latency_ms)
        self._grow_older(result.labels)
        if self._legend:
            self._take_shares(result.labels)
            self._draw_legend(image)
        self._draw_title(image)
        return image

    def _take_time(self, latency_ms: float) -> None:
        now = self._clock()
        if self._last_s is not None:
            self._interval_s = _smooth(self._interval_s, now - self._last_s)
        self._last_s = now
        self._latency_ms = _smooth(self._latency_ms, latency_ms)

    def _grow_older(self, labels: UInt8) -> None:
        """Count how many frames what is written stands already; 0 has it written anew."""
        self._age = 0 if self._shape != labels.shape else (self._age + 1) % FIGURES_STAND
        self._shape = labels.shape

    def _take_shares(self, labels: UInt8) -> None:
        # Every fourth pixel of each axis is plenty for whole per cents.
        shares = class_shares(labels[::4, ::4], len(self._label_set))
        if self._shares is None:
            self._shares = shares
        else:
            self._shares += SMOOTHING * (shares - self._shares)

    def _draw_title(self, image: UInt8) -> None:
        if self._age == 0:
            self._above = self._title_panel(image)
        if self._above is not None:
            height, width = self._above.size_hw
            self._above.cover(image[:height, :width])

    def _title_panel(self, image: UInt8) -> Panel | None:
        """Title, frame rate and latency; None where there is nothing to say or no room."""
        size = _letter_px(image)
        parts = [self._title] if self._title else []
        if self._interval_s:
            parts.append(f"{1 / self._interval_s:.1f} fps")
        if self._latency_ms is not None:
            parts.append(f"{self._latency_ms:.1f} ms")
        masks = [lettering(part, size) for part in parts]
        gap, margin = size, size // 2
        wide = sum(mask.shape[1] for mask in masks) + gap * (len(masks) - 1) + 2 * margin
        if not masks or wide > image.shape[1] or 3 * size > image.shape[0]:
            return None
        panel, x = Panel((size + margin, wide)), margin
        for place, mask in enumerate(masks):
            panel.write(mask, x, margin // 2, WHITE if place == 0 and self._title else GREY)
            x += mask.shape[1] + gap
        return panel

    def _draw_legend(self, image: UInt8) -> None:
        size, names = _letter_px(image), self._label_set.names
        columns, cell, rows, row_px = _legend_grid(image.shape[1], size, names)
        top = image.shape[0] - rows * row_px - size // 3
        if self._shares is None or columns == 0 or top < image.shape[0] // 2:
            return
        if self._age == 0 or self._below is None:
            self._below = Panel((image.shape[0] - top, image.shape[1]))
            for index, (name, figure) in enumerate(zip(names, map(_percent, self._shares.tolist()), strict=True)):
                place_xy = size // 2 + index % columns * cell, size // 6 + index // columns * row_px
                self._draw_entry(self._below, index, name, figure, place_xy, (cell, size))
        self._below.cover(image[top:])

    def _draw_entry(
        self, panel: Panel, index: int, name: str, figure: str, place_xy: tuple[int, int], extent: tuple[int, int]
    ) -> None:
        """One class of the legend: a swatch, its name, its share; `extent` is a cell's width and a letter's height."""
        (x, y), (cell, size) = place_xy, extent
        inset = max(1, size // 6)
        side = size - 2 * inset
        present = figure != ABSENT
        share = lettering(figure, size)
        swatch = np.full((side, side), 255, np.uint8)
        panel.write(swatch, x + inset, y + inset, self._label_set.colors_rgb[index])
        panel.write(lettering(name, size), x + size + size // 4, y, WHITE if present else DIM)
        panel.write(share, x + cell - size // 2 - share.shape[1], y, GREY if present else DIM)


def blend(image_rgb: UInt8, labels: UInt8, palette_rgb: UInt8, opacity: float, out: UInt8 | None = None) -> UInt8:
    """Lay colours over a picture.

    Args:
        image_rgb: uint8 (H, W, 3).
        labels: uint8 (H, W).
        palette_rgb: uint8 (256, 3), a colour for each label value.
        opacity: 0 shows the picture, 1 the colours.
        out: where to, if it has the picture's shape.
    """
    import cv2

    dst = out if out is not None and out.shape == image_rgb.shape else None
    colors = cv2.applyColorMap(np.ascontiguousarray(labels), np.ascontiguousarray(palette_rgb[:, None]), dst)
    return np.asarray(cv2.addWeighted(image_rgb, 1 - opacity, colors, opacity, 0, dst=colors), np.uint8)


def class_shares(labels: UInt8, classes: int) -> npt.NDArray[np.float64]:
    """The share of the pixels that each class has, float64 (classes,)."""
    counts = np.bincount(labels.ravel(), minlength=256)[:classes]
    shares: npt.NDArray[np.float64] = counts / max(1, labels.size)
    return shares


def _letter_px(image: UInt8) -> int:
    return int(np.clip(min(image.shape[0] / 24, image.shape[1] / 36), 11, 40))


def _legend_grid(width: int, size: int, names: tuple[str, ...]) -> tuple[int, int, int, int]:
    """Columns, their width, rows and their height."""
    longest = max(lettering(name, size).shape[1] for name in names)
    least = longest + lettering("100%", size).shape[1] + 3 * size
    columns = max(0, min(len(names), (width - size) // least))
    if columns == 0:
        return 0, 0, 0, 0
    rows = -(-len(names) // columns)
    # Even rows look better than one that is nearly empty.
    columns = -(-len(names) // rows)
    return columns, (width - size) // columns, rows, size + size // 3


def _percent(share: float) -> str:
    return ABSENT if share < 0.0005 else "<1%" if share < 0.01 else f"{share:.0%}"


def _smooth(before: float | None, now: float) -> float:
    return now if before is None else before + SMOOTHING * (now - before)
