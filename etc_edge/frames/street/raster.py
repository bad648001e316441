"""Painting a moment of the street, far to near, and remembering which facet each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from etc_edge.frames.street.body import DECAL, Body
from etc_edge.frames.street.geometry import UNIT_SQUARE, Camera, Facet, Matrix, clip_near
from etc_edge.frames.street.texture import Image

SURFACES_PER_BODY = 16
NEAR_M = 0.2
# A little under a half, so that sheets that share an edge leave no pixel between them.
SOLID = 112


@dataclass(frozen=True, slots=True)
class Pieces:
    """Facets as one camera sees them: ``homographies`` (n, 3, 3) take unit squares to pixels."""

    facets: list[Facet]
    keys: NDArray[np.int64]
    homographies: Matrix
    corners: Matrix
    order: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Haze:
    """How distance bleaches."""

    color: tuple[int, int, int]
    reach_m: float


def project(bodies: list[Body], camera: Camera) -> Pieces:
    """See bodies through a camera; the facets are kept in the bodies' order, ``order`` is far to near."""
    counts = [len(body.facets) for body in bodies]
    owner = np.repeat(np.arange(len(bodies)), counts)
    facets = [facet for body in bodies for facet in body.facets]
    place = np.concatenate([np.arange(count) for count in counts])
    keys = np.array([body.key for body in bodies], np.int64)[owner] * SURFACES_PER_BODY + place
    poses = np.stack([body.pose for body in bodies])
    homographies = (camera.view @ poses)[owner] @ np.stack([facet.shape for facet in facets])
    corners = homographies @ UNIT_SQUARE
    layers = np.array([body.layer for body in bodies])[owner]
    depth = poses[:, 2, 3] - camera.position[2] - np.array([body.nearer_m for body in bodies])
    order = np.lexsort((-corners[:, 2].mean(1), -depth[owner], layers))
    return Pieces(facets, keys, homographies, corners, order)


def paint(pieces: Pieces, canvas: Image, surfaces: NDArray[np.int16], haze: Haze, first: int) -> None:
    """Blend every visible piece into ``canvas`` (H, W, 4) and write ``first`` + its index into ``surfaces``."""
    cut = _cut(pieces, (surfaces.shape[0], surfaces.shape[1]))
    textures = [
        pieces.facets[index].texture.seen_at(wide, tall)
        for index, wide, tall in zip(cut.pieces.tolist(), cut.wide_px.tolist(), cut.tall_px.tolist(), strict=True)
    ]
    places = _places(pieces.homographies[cut.pieces], textures, cut.low)
    mixes, mixed = _haze_mixes(pieces, cut.pieces, haze)
    for i, index in enumerate(cut.pieces.tolist()):
        x0, y0 = cut.low[i].tolist()
        x1, y1 = cut.high[i].tolist()
        patch = cv2.warpPerspective(textures[i], places[i], (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
        if index in cut.outlines:
            # Beyond the camera's plane a homography shows the facet once more, upside down.
            mask = np.zeros(patch.shape[:2], np.uint8)
            cv2.fillConvexPoly(mask, np.round((cut.outlines[index] - cut.low[i]) * 16).astype(np.int32), 255, shift=4)
            patch[mask == 0] = 0
        if mixed[i]:
            patch = cv2.transform(patch, mixes[i])
        area = canvas[y0:y1, x0:x1]
        alpha = patch[..., 3]
        keep = cv2.cvtColor(cv2.bitwise_not(alpha), cv2.COLOR_GRAY2BGRA)
        cv2.add(cv2.multiply(area, keep, scale=1 / 255.0), patch, dst=area)
        if pieces.facets[index].label != DECAL:
            np.copyto(surfaces[y0:y1, x0:x1], np.int16(first + index), where=alpha > SOLID)


@dataclass(frozen=True, slots=True)
class _Cut:
    pieces: NDArray[np.intp]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    wide_px: Matrix
    tall_px: Matrix
    outlines: dict[int, Matrix]


def _cut(pieces: Pieces, size_hw: tuple[int, int]) -> _Cut:
    """Choose the visible pieces, far to near, with the rectangle that each touches."""
    size = np.array([size_hw[1], size_hw[0]], np.float64)
    depths = pieces.corners[:, 2]
    in_front = depths.min(1) > NEAR_M
    points = pieces.corners[:, :2] / np.where(in_front[:, None], depths, 1.0)[:, None]
    low, high = points.min(2), points.max(2)
    outlines: dict[int, Matrix] = {}
    for index in np.flatnonzero(~in_front & (depths.max(1) > NEAR_M)).tolist():
        clipped = clip_near(pieces.corners[index], NEAR_M)
        outlines[index] = outline = (clipped[:2] / clipped[2]).T
        low[index], high[index] = outline.min(0), outline.max(0)
    seen = (depths.max(1) > NEAR_M) & (high > -0.5).all(1) & (low < size - 0.5).all(1)
    extent = high - low
    seen &= (extent > 0.35).all(1) & (extent.prod(1) > 2.0)
    two_sided = np.array([facet.two_sided for facet in pieces.facets])
    seen &= two_sided | (np.linalg.det(pieces.homographies) > 0)
    chosen = pieces.order[seen[pieces.order]]
    sides = points - np.roll(points, -1, 2)
    lengths = np.where(in_front[:, None], np.hypot(sides[:, 0], sides[:, 1]), 1e9)[chosen]
    return _Cut(
        chosen,
        np.maximum(np.floor(low[chosen]) - 1, 0).astype(np.int64),
        np.minimum(np.ceil(high[chosen]) + 2, size).astype(np.int64),
        np.maximum(lengths[:, 0], lengths[:, 2]),
        np.maximum(lengths[:, 1], lengths[:, 3]),
        outlines,
    )


def _places(homographies: Matrix, textures: list[Image], low: NDArray[np.int64]) -> Matrix:
    """Texture pixels to pixels of the touched rectangle, (n, 3, 3)."""
    tall, wide = np.array([texture.shape[:2] for texture in textures], np.float64).reshape(-1, 2).T
    places = np.empty_like(homographies)
    places[..., 0] = homographies[..., 0] / wide[:, None]
    places[..., 1] = homographies[..., 1] / tall[:, None]
    places[..., 2] = homographies[..., 2] + 0.5 * (places[..., 0] + places[..., 1])
    places[:, :2] -= low[..., None] * places[:, 2:]
    return places


def _haze_mixes(pieces: Pieces, chosen: NDArray[np.intp], haze: Haze) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Colour mixes (n, 4, 4) that light a piece and bleach it by its distance, and which of them do anything."""
    light = np.array([pieces.facets[index].light for index in chosen.tolist()])
    solid = np.array([pieces.facets[index].label != DECAL for index in chosen.tolist()])
    depth = np.maximum(pieces.corners[chosen, 2].mean(1), 0.5)
    fade = (1 - np.exp(-((depth / haze.reach_m) ** 1.5))) * solid
    mixes = np.zeros((len(chosen), 4, 4), np.float32)
    for channel in range(3):
        mixes[:, channel, channel] = light * (1 - fade)
        mixes[:, channel, 3] = haze.color[channel] * fade / 255.0
    mixes[:, 3, 3] = 1
    return mixes, (np.abs(light - 1) > 0.01) | (fade > 0.02)
