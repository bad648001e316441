"""Arrays inside JSON come back as they went in, and damaged ones are refused."""

from __future__ import annotations

import base64
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from etc_edge.core.errors import ResultsError
from etc_edge.core.packed import Packed, pack, unpack


@given(arrays(np.int32, array_shapes(max_dims=3, min_side=0), elements=st.integers(-(2**31), 2**31 - 1)))
def test_through_json_and_back(array: np.ndarray) -> None:
    text = msgspec.json.encode(pack(array, "int32"))
    found = unpack(msgspec.json.decode(text, type=Packed))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, array)


def packed(data: bytes, shape: tuple[int, ...] = (2,), dtype: str = "int32") -> Packed:
    return Packed(dtype=dtype, shape=shape, data=base64.b64encode(data).decode())


@pytest.mark.parametrize(
    ("damaged", "found"),
    [
        (packed(b"no such thing"), "damaged"),
        (Packed(dtype="int32", shape=(2,), data="!!!"), "damaged"),
        (packed(zlib.compress(b"1234")), "Found 4 bytes"),
        (packed(zlib.compress(bytes(1000))), "Found 9 bytes"),
        (packed(zlib.compress(bytes(8)), dtype="object"), "array of object"),
        (packed(zlib.compress(bytes(8)), shape=(-2, -1)), "expected one of"),
    ],
)
def test_what_is_no_array_is_refused(damaged: Packed, found: str) -> None:
    with pytest.raises(ResultsError, match=found):
        unpack(damaged)
