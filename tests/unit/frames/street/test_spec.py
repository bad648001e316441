"""Specs and what is wrong with them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from etc_edge.core.errors import SourceError
from etc_edge.frames.street.spec import number_of, read_spec, size_of

KNOWN = {"size": "288x512", "seed": "0"}


def test_settings_stand_over_defaults() -> None:
    assert read_spec("synthetic:street", KNOWN) == KNOWN
    assert read_spec("synthetic:street?seed=7", KNOWN) == {"size": "288x512", "seed": "7"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("synthetic:motorway", "expected 'synthetic:street'"),
        ("synthetic:street?sead=3", "Did you mean 'seed'"),
        ("synthetic:street?seed", "expected KEY=VALUE"),
    ],
)
def test_wrong_specs(spec: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_spec(spec, KNOWN)


def test_sizes() -> None:
    assert size_of("288x512") == (288, 512)
    assert size_of("96X160") == (96, 160)
    for wrong in ("288", "288x", "0x512", "288x512x3", "99999x512", "axb"):
        with pytest.raises(SourceError, match="HEIGHTxWIDTH"):
            size_of(wrong)


def test_numbers() -> None:
    assert number_of("30000/1001", "fps", Fraction, 1) == Fraction(30000, 1001)
    assert number_of("7", "seed", int, 0) == 7
    for wrong in ("x", "1/0", "-1"):
        with pytest.raises(SourceError, match="fps="):
            number_of(wrong, "fps", Fraction, 1)
