"""Arrays that are used again, call after call: the system's price of fresh memory is above that of computing in it."""

from __future__ import annotations

from math import prod
from threading import local
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)


class Scratch:
    """Arrays by name, each thread's its own. What one holds is anything, and lost when its name is asked for again."""

    def __init__(self) -> None:
        self._held = local()

    def array(self, name: str, shape: tuple[int, ...], dtype: type[Scalar]) -> npt.NDArray[Scalar]:
        """An array of a shape; one name always comes with one dtype."""
        size = prod(shape)
        held: npt.NDArray[Any] | None = getattr(self._held, name, None)
        if held is None or held.size < size:
            held = np.empty(size, dtype)
            setattr(self._held, name, held)
        return held[:size].reshape(shape)
