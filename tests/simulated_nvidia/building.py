"""A simulated builder: parser, network, configuration, timing cache. Names are those of NVIDIA's bindings.

What it builds computes what a TensorRT engine would, by ONNX Runtime; how long anything takes means nothing.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec

from tests.simulated_nvidia import values
from tests.simulated_nvidia.gpu import DEVICE, fault
from tests.simulated_nvidia.lowered import Lowered, LoweredNode
from tests.simulated_nvidia.plan import Plan, device_words
from tests.simulated_nvidia.values import Dims, Fixed


class IHostMemory(bytes):
    """Serialised bytes."""

    @property
    def nbytes(self) -> int:
        return len(self)


class ITensor(Fixed):
    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_shape", shape)

    @property
    def name(self) -> str:
        return self._name

    @property
    def shape(self) -> Dims:
        return Dims(list(self._shape))


class ILayer(Fixed):
    def __init__(self, node: LoweredNode) -> None:
        object.__setattr__(self, "_node", node)
        object.__setattr__(self, "_precision", None)

    @property
    def name(self) -> str:
        return self._node.name

    @property
    def num_outputs(self) -> int:
        return self._node.outputs

    @property
    def precision(self) -> Any:
        return self._precision

    @precision.setter
    def precision(self, value: Any) -> None:
        object.__setattr__(self, "_precision", value)
        self._node.held = "fp32" if value == values.DataType.FLOAT else self._node.held

    def set_output_type(self, index: int, dtype: Any) -> None:
        assert 0 <= index < self._node.outputs


class INetworkDefinition(Fixed):
    def __init__(self, flags: int) -> None:
        object.__setattr__(self, "_flags", flags)
        object.__setattr__(self, "_lowered", None)

    @property
    def num_layers(self) -> int:
        return len(self._lowered.nodes)

    def get_layer(self, index: int) -> ILayer:
        return ILayer(self._lowered.nodes[index])

    def get_input(self, index: int) -> ITensor:
        assert index == 0
        return ITensor(self._lowered.frame, self._lowered.frame_shape)


class ParserError(Fixed):
    def __init__(self, index: int, name: str, operator: str, reason: str) -> None:
        object.__setattr__(self, "_told", (index, name, operator, reason))

    def code(self) -> Any:
        return 8

    def desc(self) -> str:
        return self._told[3]

    def node(self) -> int:
        return self._told[0]

    def node_name(self) -> str:
        return self._told[1]

    def node_operator(self) -> str:
        return self._told[2]


class OnnxParser(Fixed):
    def __init__(self, network: INetworkDefinition, logger: Any) -> None:
        object.__setattr__(self, "_network", network)
        object.__setattr__(self, "_errors", [])

    def parse(self, model: bytes, path: Any = None) -> bool:
        lowered, problem = Lowered.read(model)
        if problem is not None:
            self._errors.append(ParserError(*problem))
            return False
        object.__setattr__(self._network, "_lowered", lowered)
        return True

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]


class IOptimizationProfile(Fixed):
    def __init__(self) -> None:
        object.__setattr__(self, "_shapes", {})

    def set_shape(self, input: str, min: Dims, opt: Dims, max: Dims) -> None:
        self._shapes[input] = [list(one) for one in (min, opt, max)]


class ITimingCache(Fixed):
    def __init__(self, content: bytes) -> None:
        object.__setattr__(self, "_content", content)

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._content)


class IBuilderConfig(Fixed):
    def __init__(self) -> None:
        settings = {
            "flags": {values.BuilderFlag.TF32}, "profiles": [], "pools": {}, "cache": None, "verbosity": None,
            "level": 3, "compatibility": None, "monitor": None, "device": values.DeviceType.GPU, "core": -1,
        }  # fmt: skip
        object.__setattr__(self, "_settings", settings)

    def set_flag(self, flag: Any) -> None:
        self._settings["flags"].add(flag)

    def clear_flag(self, flag: Any) -> None:
        self._settings["flags"].discard(flag)

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self._settings["pools"][pool] = pool_size

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._settings["profiles"].append(profile._shapes)
        return len(self._settings["profiles"]) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if cache._content and not ignore_mismatch and cache._content != self._times():
            return False
        self._settings["cache"] = ITimingCache(self._times())
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._settings["cache"]

    def can_run_on_DLA(self, layer: ILayer) -> bool:
        return layer._node.operator in ("Conv", "Relu", "Add", "MaxPool", "AveragePool", "QuantizeLinear")

    @staticmethod
    def _times() -> bytes:
        return b"simulated times of " + device_words().encode()

    def _setting(name: str) -> Any:  # type: ignore[misc]
        def read(self: Any) -> Any:
            return self._settings[name]

        def write(self: Any, value: Any) -> None:
            self._settings[name] = value

        return property(read, write)

    profiling_verbosity = _setting("verbosity")
    builder_optimization_level = _setting("level")
    hardware_compatibility_level = _setting("compatibility")
    progress_monitor = _setting("monitor")
    default_device_type = _setting("device")
    DLA_core = _setting("core")
    del _setting


class Builder(Fixed):
    def __init__(self, logger: Any) -> None:
        if fault() == "no_builder":
            logger.log(values.ILogger.Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")
        DEVICE.initialized = True
        object.__setattr__(self, "_logger", logger)

    @property
    def num_DLA_cores(self) -> int:
        return int(os.environ.get("SIMULATED_NVIDIA_DLA_CORES", "0"))

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition(flags)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> IHostMemory | None:
        settings, lowered = config._settings, network._lowered
        if problem := _problem(lowered, network._flags, settings):
            self._logger.log(values.ILogger.Severity.ERROR, problem)
            return None
        monitor = settings["monitor"]
        if monitor is not None:
            monitor.phase_start("Building Engine", None, 2)
            monitor.phase_start("Tactic Selection", "Building Engine", len(lowered.nodes))
            for step in range(len(lowered.nodes)):
                assert monitor.step_complete("Tactic Selection", step)
            monitor.phase_finish("Tactic Selection")
            for step in range(2):
                assert monitor.step_complete("Building Engine", step)
            monitor.phase_finish("Building Engine")
        on_dla = settings["device"] == values.DeviceType.DLA
        layers = lowered.layers(_allowed(settings, network._flags), fault(), on_dla)
        if settings["verbosity"] != values.ProfilingVerbosity.DETAILED:
            layers = [layer["Name"] for layer in layers]
        plan = Plan(
            version=values.version(),
            device=device_words(),
            compatible=bool({flag.name for flag in settings["flags"]} & {"VERSION_COMPATIBLE"}),
            graph=lowered.runnable(),
            frame=(lowered.frame, list(lowered.frame_shape)),
            labels=(lowered.labels, list(lowered.labels_shape)),
            sizes=[shapes[lowered.frame][1] for shapes in settings["profiles"]],
            layers=msgspec.json.encode(layers),
        )
        return IHostMemory(plan.to_bytes())


def _allowed(settings: dict[str, Any], flags: int) -> str:
    """What floats may become where types are not the graph's: "graph", or the names of the flags."""
    names = {flag.name for flag in settings["flags"]}
    typed = "FP16" not in values.BuilderFlag.__members__ or _is_typed(flags)
    return "graph" if typed else "FP16" if "FP16" in names else "FP32"


def _is_typed(flags: int) -> bool:
    typed = values.NetworkDefinitionCreationFlag.__members__.get("STRONGLY_TYPED")
    return typed is not None and bool(flags & (1 << int(typed)))


def _problem(lowered: Lowered, flags: int, settings: dict[str, Any]) -> str:
    """Why TensorRT would refuse to build, in its manner; "" where it would not."""
    names = {flag.name for flag in settings["flags"]}
    untyped_version = "STRONGLY_TYPED" not in values.NetworkDefinitionCreationFlag.__members__
    if untyped_version and not flags & 1:
        return "API Usage Error (Implicit batch dimension mode has been removed for the ONNX parser.)"
    if _is_typed(flags) and names & {"INT8", "FP16", "FP8"}:
        return "API Usage Error (Builder flags for precision are not allowed in a strongly typed network.)"
    if lowered.quantized and not _is_typed(flags) and "INT8" in values.BuilderFlag.__members__ and "INT8" not in names:
        return "Internal Error (Network has quantization layers, and BuilderFlag INT8 is not set.)"
    if -1 in lowered.frame_shape and not settings["profiles"]:
        return "API Usage Error (Network has dynamic or shape inputs, but no optimization profile has been defined.)"
    if fault() == "build":
        return "Could not find any implementation for node conv_4."
    return ""
