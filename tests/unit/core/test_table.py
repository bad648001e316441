from __future__ import annotations

import pytest

from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.table import Table, nearest

OBSERVERS: Table[object] = Table("number", {"pi": "math:pi", "e": "math:e", "gone": "no.such.module:x"})


def test_a_row_is_imported_when_it_is_asked_for() -> None:
    assert OBSERVERS.load("pi") == pytest.approx(3.14159, abs=1e-5)
    assert OBSERVERS.names() == ["pi", "e", "gone"]
    with pytest.raises(ModuleNotFoundError):
        OBSERVERS.load("gone")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(EtcEdgeError, match="Found no number 'gon'") as error:
        OBSERVERS.load("gon")
    assert error.value.hint == "Did you mean 'gone'?"


def test_nothing_near_lists_all() -> None:
    assert nearest("xyz", ["b", "a"]) == "Known: a, b."
