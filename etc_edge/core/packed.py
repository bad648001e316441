"""Arrays inside JSON: compressed and spelled in base64, so that thousands of counts stay one line of text."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import ResultsError

DTYPES = ("int32", "float32")


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """An array: its dtype (int32 or float32), its shape, and its little-endian bytes, deflated, in base64."""

    dtype: str
    shape: tuple[int, ...]
    data: str


def pack(array: npt.NDArray[Any], dtype: str) -> Packed:
    """Pack an array as `dtype`, int32 or float32."""
    stored = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<"))
    text = base64.b64encode(zlib.compress(stored.tobytes(), 6)).decode("ascii")
    return Packed(dtype=dtype, shape=array.shape, data=text)


def unpack(packed: Packed) -> npt.NDArray[Any]:
    """The array of the packed dtype and shape.

    Raises:
        ResultsError: the text is no array of that dtype and shape.
    """
    if packed.dtype not in DTYPES or any(length < 0 for length in packed.shape):
        raise ResultsError(
            f"Found an array of {packed.dtype} {packed.shape} in results, expected one of: {', '.join(DTYPES)}."
        )
    size = math.prod(packed.shape) * 4
    try:
        # Bounded, so that a few damaged bytes cannot ask for all memory.
        stored = zlib.decompressobj().decompress(base64.b64decode(packed.data, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ResultsError("Found an array in results that is damaged.", "Measure again.") from error
    if len(stored) != size:
        raise ResultsError(f"Found {len(stored)} bytes for an array of {packed.dtype} {packed.shape} in results.")
    return np.frombuffer(stored, np.dtype(packed.dtype).newbyteorder("<")).reshape(packed.shape).astype(packed.dtype)
