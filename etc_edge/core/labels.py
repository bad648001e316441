"""Classes, their colours and the void label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from etc_edge.core.errors import DatasetError


@dataclass(frozen=True)
class LabelSet:
    """The classes of a data set; a label value is an index into them.

    Args:
        names: one name a class, at most 255.
        colors_rgb: one (red, green, blue) a class, each 0–255.
        void: the label value that is left out of losses and metrics.
    """

    names: tuple[str, ...]
    colors_rgb: tuple[tuple[int, int, int], ...]
    void: int = 255

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= 255:
            raise DatasetError(f"Found {len(self.names)} classes, expected 1 to 255.")
        if len(set(self.names)) != len(self.names):
            raise DatasetError("Found a class name twice, expected each name once.")
        if len(self.colors_rgb) != len(self.names):
            raise DatasetError(f"Found {len(self.colors_rgb)} colours for {len(self.names)} classes.")
        if not len(self.names) <= self.void <= 255:
            raise DatasetError(f"Found {self.void} as the void label, expected a value from {len(self.names)} to 255.")
        if any(len(color) != 3 or not all(0 <= value <= 255 for value in color) for color in self.colors_rgb):
            raise DatasetError("Found a colour that is not three values from 0 to 255 (red, green, blue).")

    def __len__(self) -> int:
        return len(self.names)

    def palette_rgb(self) -> npt.NDArray[np.uint8]:
        """Colours by label value, uint8 (256, 3); values that are no class are black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(self.names)] = self.colors_rgb
        return palette

    def check(self, labels: npt.NDArray[np.integer[Any]], where: str) -> None:
        """Refuse a label map that holds a value which is neither a class nor void.

        Raises:
            DatasetError: naming the value and `where` it was found.
        """
        if labels.dtype == np.uint8:
            values = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
        else:
            values = np.unique(labels)
        unknown = values[((values < 0) | (values >= len(self))) & (values != self.void)]
        if unknown.size:
            raise DatasetError(
                f"Found label value {unknown[0]} in {where}, expected 0 to {len(self) - 1} or void {self.void}.",
                "Check that the labels and the list of classes belong together.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON and YAML: `names`, `colors`, `void`."""
        return {"names": list(self.names), "colors": [list(c) for c in self.colors_rgb], "void": self.void}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LabelSet:
        """Read `names`, optional `colors` (a palette is chosen when absent) and optional `void`.

        Raises:
            DatasetError: the data does not describe classes.
        """
        try:
            if isinstance(data["names"], str):
                raise TypeError("one name for a list of names")
            names = tuple(str(name) for name in data["names"])
            colors = data.get("colors") or [distinct_color(index) for index in range(len(names))]
            colors_rgb = tuple((int(r), int(g), int(b)) for r, g, b in colors)
            return cls(names, colors_rgb, int(data.get("void", 255)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(
                "Found a list of classes that cannot be read, expected keys names, colors and void.",
                "Example: {names: [road, car], colors: [[128, 64, 128], [0, 0, 142]], void: 255}",
            ) from error

    @classmethod
    def from_yaml(cls, path: Path) -> LabelSet:
        """Read a `classes.yaml`.

        Raises:
            DatasetError: the file is missing or does not describe classes.
        """
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DatasetError(f"Found no readable list of classes at {path}.") from error
        return cls.from_dict(data)


def distinct_color(index: int) -> tuple[int, int, int]:
    """A colour for class `index` by spreading the index's bits over the channels (the PASCAL VOC colour map)."""
    red = green = blue = 0
    value = index + 1
    for shift in range(7, -1, -1):
        red |= (value & 1) << shift
        green |= (value >> 1 & 1) << shift
        blue |= (value >> 2 & 1) << shift
        value >>= 3
    return red, green, blue
