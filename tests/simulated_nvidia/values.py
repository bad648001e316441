"""Simulated values of TensorRT: shapes and enumerations, whose members are those that a version of the bindings has."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Fixed:
    """An object that takes no attributes but those of its class, as objects of the bindings do."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(getattr(type(self), name, None), property):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        object.__setattr__(self, name, value)


class Dims:
    def __init__(self, shape: list[int] | None = None) -> None:
        if shape is not None and not isinstance(shape, list):
            raise TypeError(f"__init__(): incompatible constructor arguments: {type(shape).__name__}")
        self._shape = list(shape or [])

    def __len__(self) -> int:
        return len(self._shape)

    def __getitem__(self, index: int) -> int:
        return self._shape[index]


class ILogger:
    class Severity(IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def __init__(self) -> None:
        self._ready = True

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        raise RuntimeError("pure virtual")


class IProfiler:
    def __init__(self) -> None:
        self._ready = True

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        raise RuntimeError("pure virtual")


class IProgressMonitor:
    def __init__(self) -> None:
        self._ready = True

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise RuntimeError("pure virtual")

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise RuntimeError("pure virtual")

    def phase_finish(self, phase_name: str) -> None:
        raise RuntimeError("pure virtual")


# Filled by `versions.install`.
_VERSION = ""
BuilderFlag: Any = None
NetworkDefinitionCreationFlag: Any = None
DataType: Any = None
DeviceType: Any = None
MemoryPoolType: Any = None
ProfilingVerbosity: Any = None
LayerInformationFormat: Any = None
TensorIOMode: Any = None
HardwareCompatibilityLevel: Any = None
ExecutionContextAllocationStrategy: Any = None

ENUMS = (
    "BuilderFlag",
    "NetworkDefinitionCreationFlag",
    "DataType",
    "DeviceType",
    "MemoryPoolType",
    "ProfilingVerbosity",
    "LayerInformationFormat",
    "TensorIOMode",
    "HardwareCompatibilityLevel",
    "ExecutionContextAllocationStrategy",
)


def version() -> str:
    """The version that is simulated."""
    return _VERSION
