"""The synthetic street as a source."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from etc_edge.frames.frame import Frame
from etc_edge.frames.source import Source
from etc_edge.frames.street.spec import number_of, read_spec, size_of

DEFAULTS = {"size": "288x512", "seed": "3", "frames": "150", "fps": "15"}


class StreetSource(Source):
    """A drive along a synthetic street."""

    def __init__(self, seed: int, size_hw: tuple[int, int], frames: int, fps: Fraction) -> None:
        self.name = f"synthetic:street?seed={seed}"
        self.size_hw, self.frame_count, self.live = size_hw, frames, False
        self.fps = fps
        self._seed = seed
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        from etc_edge.frames.street.renderer import Street

        street = Street(self._seed, self.size_hw, self.fps or 15)
        for index in range(self.frame_count or 0):
            if self._closed:
                return
            yield Frame(street.frame(index).image_rgb, index, float(index / (self.fps or 15)))

    def close(self) -> None:
        """See Source."""
        self._closed = True


def open_street(spec: str) -> StreetSource:
    """Open `synthetic:street?size=288x512&seed=3&frames=150&fps=15`.

    Raises:
        SourceError: an unknown setting or value.
    """
    settings = read_spec(spec, DEFAULTS)
    return StreetSource(
        number_of(settings["seed"], "seed", int, 0),
        size_of(settings["size"]),
        number_of(settings["frames"], "frames", int, 1),
        number_of(settings["fps"], "fps", Fraction, 1),
    )
