"""The simulated `tensorrt` of one version: classes, members and enumerations as that version's bindings have them.

`surfaces.json` holds what NVIDIA's bindings have of what is simulated; `tests/tensorrt_api` compares both with the real
ones. 8.5.2 has no bindings to compare with: it is 8.6.1 without what 8.6 brought.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from tests.simulated_nvidia import building, running, values

SURFACES = Path(__file__).with_name("surfaces.json")

CLASSES: dict[str, type[Any]] = {
    one.__name__: one
    for one in (
        building.Builder,
        building.IBuilderConfig,
        building.INetworkDefinition,
        building.ILayer,
        building.ITensor,
        building.OnnxParser,
        building.ParserError,
        building.IOptimizationProfile,
        building.ITimingCache,
        building.IHostMemory,
        running.Runtime,
        running.ICudaEngine,
        running.IExecutionContext,
        running.EngineInspector,
        values.Dims,
        values.ILogger,
        values.IProfiler,
        values.IProgressMonitor,
    )
}
BROUGHT_BY_8_6 = {
    "HardwareCompatibilityLevel": None,
    "BuilderFlag": {"VERSION_COMPATIBLE", "EXCLUDE_LEAN_RUNTIME", "FP8"},
    "IBuilderConfig": {"builder_optimization_level", "hardware_compatibility_level"},
    "Runtime": {"engine_host_code_allowed"},
}

Surface = dict[str, dict[str, Any]]


def members(simulated: type[Any]) -> list[str]:
    """What a simulated class shows."""
    return [name for name in vars(simulated) if not name.startswith("_")]


def surface(version: str) -> Surface:
    """Members of each class and values of each enumeration that a version has."""
    known: dict[str, Surface] = msgspec.json.decode(SURFACES.read_bytes())
    if version in known:
        return known[version]
    if version != "8.5.2":
        raise ValueError(f"no surface of TensorRT {version}")
    without = {name: dict(found) for name, found in known["8.6.1"].items()}
    for name, gone in BROUGHT_BY_8_6.items():
        for member in list(without[name]) if gone is None else gone:
            without[name].pop(member, None)
        if not without[name]:
            del without[name]
    return without


def install(module: ModuleType, version: str) -> None:
    """Fill a module with the simulated TensorRT of a version; one version a process."""
    found = surface(version)
    values._VERSION = module.__dict__["__version__"] = version  # type: ignore[attr-defined]
    for name in values.ENUMS:
        enumeration = IntEnum(name, found[name]) if name in found else None  # type: ignore[misc]
        setattr(values, name, enumeration)
        if enumeration is not None:
            setattr(module, name, enumeration)
    for name, simulated in CLASSES.items():
        if name in found:
            setattr(module, name, trimmed(simulated, set(found[name])))


def trimmed(simulated: type[Any], present: set[str]) -> type[Any]:
    """A class without those members that a version does not have."""
    for name in members(simulated):
        if name not in present:
            delattr(simulated, name)
    return simulated
