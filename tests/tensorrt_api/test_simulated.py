"""The simulated TensorRT held to the real bindings: nothing that a version lacks, every argument named alike."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.simulated_nvidia.versions import CLASSES, members, surface
from tests.tensorrt_api.bindings import WHEELS
from tests.tensorrt_api.surface import real_surface


@pytest.mark.parametrize("version", WHEELS)
def test_recorded_surfaces_are_those_of_the_bindings(version: str) -> None:
    assert surface(version.removesuffix(".post1")) == real_surface(version)


@pytest.mark.parametrize("version", ["8.6.1", "10.13.3.9", "11.4.0.106"])
@pytest.mark.parametrize("name", CLASSES)
def test_every_simulated_call_takes_the_arguments_of_the_real_one(version: str, name: str) -> None:
    real: dict[str, Any] = surface(version).get(name, {})
    for member in members(CLASSES[name]):
        simulated = vars(CLASSES[name])[member]
        if member in real and inspect.isfunction(simulated):
            taken = [one for one in inspect.signature(simulated).parameters.values() if one.name != "self"]
            # What is left out by default may be newer than this version.
            fits = any(
                [one.name for one in some] == overload[: len(some)]
                for overload in real[member]
                for some in (taken, [one for one in taken if one.default is one.empty])
            )
            assert fits, f"{name}.{member} takes {taken} in the simulation, expected one of {real[member]}"
        elif member in real:
            assert real[member] in (None, []), f"{name}.{member} is no call in the simulation"


def test_a_call_that_no_version_has_would_be_seen() -> None:
    for version in ("8.6.1", "11.4.0.106"):
        assert "build_at_once" not in surface(version)["Builder"]


def test_every_simulated_member_is_in_some_version() -> None:
    known = [surface(version.removesuffix(".post1")) for version in WHEELS]
    missing = {
        f"{name}.{member}"
        for name, simulated in CLASSES.items()
        for member in members(simulated)
        if not any(member in one.get(name, {}) for one in known)
    }
    assert missing == set()
