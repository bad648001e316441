"""The faster engine is found once and remembered; one that fails is left out with a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.backends.choice import choose
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError, DependencyError
from tests.unit.backends import other_backends as other
from tests.unit.backends.conftest import ONE_THREAD
from tests.unit.backends.other_backends import named
from tests.unit.backends.test_cache import Heard

RECALLING, SLOW, MISSING = named(other.Recalling), named(other.Slow), named(other.Missing)
CRASHING, INCOMPLETE = named(other.CrashesCompiling), named(other.NeedsMoreToCompile)


@pytest.mark.parametrize("backends", [(SLOW, RECALLING), (RECALLING, SLOW)])
def test_the_faster_is_chosen_and_remembered(bundle: Bundle, backends: tuple[str, ...]) -> None:
    heard = Heard()
    compiled, choice = choose(bundle, ONE_THREAD, heard, backends)
    assert compiled.manifest.backend == choice.backend == RECALLING
    assert choice.median_ms[SLOW] > choice.median_ms[RECALLING]
    assert "is used from now on" in heard.lines[-1]

    heard = Heard()
    assert choose(bundle, ONE_THREAD, heard, backends) == (compiled, choice)
    assert heard.lines == []


def test_an_engine_that_crashes_is_left_out_and_that_is_said_every_time(bundle: Bundle, cache: Path) -> None:
    heard = Heard()
    compiled = choose(bundle, ONE_THREAD, heard, (CRASHING, RECALLING))[0]
    assert compiled.manifest.backend == RECALLING
    assert any("is left out" in line and "SIGSEGV" in line for line in heard.lines)

    heard = Heard()
    choose(bundle, ONE_THREAD, heard, (CRASHING, RECALLING))
    assert len(heard.lines) == 1
    assert "SIGSEGV" in heard.lines[0]
    assert str(cache) in heard.lines[0]


def test_nothing_that_works_is_one_error_with_every_reason(bundle: Bundle) -> None:
    with pytest.raises(CompileError, match=r"no engine that can run colors.*SIGSEGV.*unsupported operator: Warp"):
        choose(bundle, ONE_THREAD, None, (CRASHING, named(other.Raises)))


def test_engines_that_are_not_installed_are_passed_over(bundle: Bundle) -> None:
    assert choose(bundle, ONE_THREAD, None, (MISSING, RECALLING))[1].backend == RECALLING
    with pytest.raises(DependencyError, match="expected one of them"):
        choose(bundle, ONE_THREAD, None, (MISSING,))


def test_a_package_that_compiling_lacks_is_not_held_against_the_engine(bundle: Bundle, cache: Path) -> None:
    with pytest.raises(DependencyError, match="no package 'other'"):
        choose(bundle, ONE_THREAD, None, (INCOMPLETE,))
    assert choose(bundle, ONE_THREAD, None, (INCOMPLETE, RECALLING))[1].backend == RECALLING
    assert list((cache / "choices").glob("*.json")) == []


def test_a_damaged_memory_is_made_again(bundle: Bundle, cache: Path) -> None:
    choose(bundle, ONE_THREAD, None, (RECALLING,))
    (memory,) = (cache / "choices").glob("*.json")
    memory.write_text('{"backend": 7')
    assert choose(bundle, ONE_THREAD, None, (RECALLING,))[1].backend == RECALLING
    assert b'"backend"' in memory.read_bytes()
