"""The street as a clip: any frame with its picture, labels, optical flow and visibility."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from etc_edge.frames.street import paint_green, paint_sky
from etc_edge.frames.street.body import Body, Layer
from etc_edge.frames.street.classes import SKY, STREET_CLASSES, VEGETATION
from etc_edge.frames.street.geometry import Camera, Facet, Matrix, translation
from etc_edge.frames.street.ground import GROUND_LABELS, GROUND_SHAPE, paint_ground
from etc_edge.frames.street.layout import PLOT_M, plan, plot
from etc_edge.frames.street.look import develop, look
from etc_edge.frames.street.paint_ground import ground_strip
from etc_edge.frames.street.path import camera_path
from etc_edge.frames.street.raster import Haze, paint, project
from etc_edge.frames.street.texture import Image
from etc_edge.frames.street.traffic import moving, traffic

VIEW_M = 132.0
GROUND_KEYS = (1, 2, 3)


@dataclass(frozen=True, slots=True, eq=False)
class StreetFrame:
    """A moment: picture uint8 (H, W, 3) RGB, labels uint8 (H, W), and which surface each pixel shows.

    ``surfaces`` int16 (H, W) index ``keys`` (n,) and ``homographies`` (n, 3, 3), surface to pixels.
    """

    index: int
    image_rgb: Image
    labels: NDArray[np.uint8]
    surfaces: NDArray[np.int16]
    keys: NDArray[np.int64]
    homographies: Matrix


class Street:
    """An endless drive, the same for the same seed, size and frame rate.

    Frames may be asked for in any order; neighbours are kept, so that flow costs no second painting.
    """

    def __init__(self, seed: int, size_hw: tuple[int, int] = (288, 512), fps: float | Fraction = 15) -> None:
        rng = np.random.default_rng((seed, 1))
        self.seed, self.size_hw, self.fps = seed, size_hw, float(fps)
        self.labels = STREET_CLASSES
        mood = int(rng.integers(len(paint_sky.MOODS)))
        self._plan = plan(rng, seed)
        self._path = camera_path(rng, size_hw)
        self._traffic = traffic(rng, seed, self._plan)
        self._look = look(rng, seed, paint_sky.MOODS[mood])
        self._haze = Haze(paint_sky.MOODS[mood].horizon, paint_sky.MOODS[mood].haze_m)
        shade = self._plan.sun_side if mood != 2 else 0
        self._strip = ground_strip(seed % 5, self._plan.road_half_m, self._plan.pavement_m, shade)
        self._backdrop = _backdrop(seed % 8, mood)
        self._plots: OrderedDict[int, tuple[Body, ...]] = OrderedDict()
        self._standing: OrderedDict[int, list[Body]] = OrderedDict()
        self._lock = RLock()
        self._kept: OrderedDict[int, StreetFrame] = OrderedDict()

    def frame(self, index: int) -> StreetFrame:
        """The frame at ``index`` / fps seconds."""
        with self._lock:
            kept = self._kept.get(index)
            if kept is None:
                kept = self._kept[index] = self._render(index)
                if len(self._kept) > 3:
                    self._kept.popitem(last=False)
            return kept

    def truth(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Where each pixel's surface is one frame later, and whether it is seen there; exact.

        Flow is float32 (H, W, 2), (x, y) in pixels. Visible, bool (H, W), are the pixels whose own surface is the
        one that the next frame shows at the pixel nearest to where it goes.
        """
        with self._lock:
            now, later = self.frame(index), self.frame(index + 1)
            surfaces_later = self._surfaces_at(index, index + 1)
        height, width = self.size_hw
        x = np.arange(width, dtype=np.float64)[None]
        y = np.arange(height, dtype=np.float64)[:, None]
        x_next, y_next = _moved(now, surfaces_later, x, y)
        flow = np.stack([x_next - x, y_next - y], -1).astype(np.float32)
        # In float32 and with halves going up, as whoever follows the flow will round.
        column = np.floor(flow[..., 0] + x.astype(np.float32) + np.float32(0.5))
        row = np.floor(flow[..., 1] + y.astype(np.float32) + np.float32(0.5))
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        target = np.where(inside, row * width + column, 0).astype(np.intp)
        there = np.take(later.keys, np.take(later.surfaces.ravel(), target))
        return flow, inside & (there == np.take(now.keys, now.surfaces))

    def _bodies(self, index: int) -> list[Body]:
        if index not in self._standing:
            self._standing[index] = self._bodies_at(index / self.fps)
            if len(self._standing) > 4:
                self._standing.popitem(last=False)
        return self._standing[index]

    def _bodies_at(self, time_s: float) -> list[Body]:
        along = self._path.z_m(time_s)
        first, last = int(np.floor((along - 14) / PLOT_M)), int(np.floor((along + VIEW_M) / PLOT_M))
        bodies = [*self._backdrop]
        for index in range(first, last + 1):
            if index not in self._plots:
                self._plots[index] = plot(self._plan, index)
                if len(self._plots) > 40:
                    self._plots.popitem(last=False)
            bodies.extend(self._plots[index])
        bodies.extend(moving(self._traffic, self._path, time_s, VIEW_M))
        return bodies

    def _render(self, index: int) -> StreetFrame:
        time_s = index / self.fps
        camera = self._path.camera(time_s)
        bodies = self._bodies(index)
        height, width = self.size_hw
        canvas = np.empty((height, width, 4), np.uint8)
        surfaces = np.zeros((height, width), np.int16)
        ground = len(GROUND_LABELS)
        backdrop = len(self._backdrop)
        paint(project(bodies[:backdrop], camera), canvas, surfaces, Haze((0, 0, 0), 1e9), ground)
        edges = (self._plan.road_half_m, self._plan.front_m)
        paint_ground(self._strip, edges, camera, canvas, surfaces, self._haze, 0)
        standing = project(bodies[backdrop:], camera)
        paint(standing, canvas, surfaces, self._haze, ground + backdrop)
        pieces = project(bodies, camera)
        labels_of = np.array([*GROUND_LABELS, *(max(f.label, 0) for f in pieces.facets)], np.uint8)
        return StreetFrame(
            index,
            develop(canvas, self._look, index, time_s),
            np.take(labels_of, surfaces),
            surfaces,
            np.concatenate([np.array(GROUND_KEYS, np.int64), pieces.keys]),
            np.concatenate([np.repeat(_ground(camera, camera)[None], ground, 0), pieces.homographies]),
        )

    def _surfaces_at(self, index: int, later: int) -> Matrix:
        """Where the surfaces of frame ``index`` are in frame ``later``: (n, 3, 3)."""
        bodies = self._bodies(index)
        moved = {body.key: body for body in self._bodies(later)}
        camera, before = self._path.camera(later / self.fps), self._path.camera(index / self.fps)
        pieces = project([moved.get(body.key, body) for body in bodies], camera)
        ground = np.repeat(_ground(camera, before)[None], len(GROUND_LABELS), 0)
        return np.concatenate([ground, pieces.homographies])


def _moved(frame: StreetFrame, later: Matrix, x: Matrix, y: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    moves = (later @ np.linalg.inv(frame.homographies)).reshape(-1, 9)
    by_surface = np.take(moves.T, frame.surfaces, 1, mode="clip")
    a, b, c, d, e, f, g, h, i = by_surface
    # A surface that has come level with the camera is infinitely far aside; keep that finite.
    scale = 1 / np.maximum(g * x + h * y + i, 1e-3)
    return (a * x + b * y + c) * scale, (d * x + e * y + f) * scale


def _ground(camera: Camera, origin: Camera) -> Matrix:
    shape = GROUND_SHAPE.copy()
    shape[2, 2] = origin.position[2]
    seen: Matrix = camera.view @ shape
    return seen


@lru_cache(maxsize=16)
def _backdrop(variant: int, mood: int) -> tuple[Body, ...]:
    light = paint_sky.MOODS[mood]
    wide, top, bottom = paint_sky.HALF_WIDTH, paint_sky.TOP, paint_sky.BOTTOM
    sky = _at_infinity(-wide, wide, top, bottom)
    woods = _at_infinity(-wide, wide, 0.05, -0.012)
    return (
        Body(4, Layer.SKY, (Facet(paint_sky.sky(variant, mood), sky, SKY, two_sided=True),), translation(0, 0, 0)),
        Body(
            5,
            Layer.SKY,
            (Facet(paint_green.far_woods(variant, light.horizon), woods, VEGETATION, two_sided=True),),
            translation(0, 0, 0),
            nearer_m=1.0,
        ),
    )


def _at_infinity(left: float, right: float, top: float, bottom: float) -> Matrix:
    # Points with a fourth coordinate of zero are directions: only the camera's turning moves them.
    return np.array([[right - left, 0, left], [0, bottom - top, top], [0, 0, 1], [0, 0, 0]], np.float64)
