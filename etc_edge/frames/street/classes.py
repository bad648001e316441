"""The street's classes."""

from __future__ import annotations

from etc_edge.core.labels import LabelSet

STREET_CLASSES = LabelSet(
    names=("sky", "building", "pole", "sign", "road", "pavement", "vegetation", "car", "pedestrian"),
    colors_rgb=(
        (112, 172, 222),
        (148, 112, 98),
        (196, 196, 176),
        (240, 208, 48),
        (104, 72, 128),
        (232, 92, 196),
        (104, 160, 56),
        (40, 72, 200),
        (226, 44, 62),
    ),
)

SKY, BUILDING, POLE, SIGN, ROAD, PAVEMENT, VEGETATION, CAR, PEDESTRIAN = range(9)
