"""Calls of TensorRT that are not the same in 8.5, 8.6, 10 and 11: each asks whether a thing is there, not its version.

Everything else that this folder calls is in all of them. `tests/tensorrt_api` holds both to NVIDIA's own bindings.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import tensorrt as trt

from etc_edge.core.errors import CompileError, EngineError


def takes_types_from_the_graph() -> bool:
    """Whether types can be left to the graph ("strongly typed"): from 10 on. Before, flags allow lower precisions."""
    return hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def network_flags() -> int:
    """Flags for `create_network`: types as in the graph where there is a choice, an explicit batch before."""
    flags = trt.NetworkDefinitionCreationFlag
    if not hasattr(trt.BuilderFlag, "FP16"):
        return 0  # 11 knows nothing else than the graph's types
    if hasattr(flags, "STRONGLY_TYPED"):
        return 1 << int(flags.STRONGLY_TYPED)
    if hasattr(flags, "EXPLICIT_BATCH"):
        return 1 << int(flags.EXPLICIT_BATCH)
    return 0


def allow_precision(config: trt.IBuilderConfig, precision: str) -> None:
    """Set the flags that allow a precision where types are not the graph's."""
    if precision == "int8" and hasattr(trt.BuilderFlag, "INT8"):
        config.set_flag(trt.BuilderFlag.INT8)
    if precision in ("int8", "fp16") and hasattr(trt.BuilderFlag, "FP16"):
        config.set_flag(trt.BuilderFlag.FP16)


def keep_in_float32(network: trt.INetworkDefinition, config: trt.IBuilderConfig, names: Collection[str]) -> None:
    """Hold layers to FP32, by name, where flags allow lower precisions."""
    if not names:
        return
    if hasattr(trt.BuilderFlag, "OBEY_PRECISION_CONSTRAINTS"):
        config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.name in names and hasattr(layer, "precision") and hasattr(layer, "set_output_type"):
            layer.precision = trt.DataType.FLOAT
            for output in range(layer.num_outputs):
                layer.set_output_type(output, trt.DataType.FLOAT)


def set_optimization_level(config: trt.IBuilderConfig, level: int) -> None:
    """How long the builder searches for fast kernels, 0 to 5; from 8.6 on.

    Raises:
        CompileError: this TensorRT knows no levels.
    """
    if not hasattr(config, "builder_optimization_level"):
        raise _missing("builder optimisation levels", "8.6", "Leave the level out.")
    config.builder_optimization_level = level


def allow_later_versions(config: trt.IBuilderConfig) -> None:
    """Build an engine that later versions load too; from 8.6 on.

    Raises:
        CompileError: this TensorRT cannot.
    """
    if not hasattr(trt.BuilderFlag, "VERSION_COMPATIBLE"):
        raise _missing("version-compatible engines", "8.6", "Compile for this version alone.")
    config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)


def allow_later_gpus(config: trt.IBuilderConfig) -> None:
    """Build an engine that runs on every GPU from Ampere on; from 8.6 on, not on Jetson.

    Raises:
        CompileError: this TensorRT cannot.
    """
    if not hasattr(config, "hardware_compatibility_level") or not hasattr(trt, "HardwareCompatibilityLevel"):
        raise _missing("hardware-compatible engines", "8.6", "Compile for this GPU alone.")
    config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS


def allow_host_code(runtime: trt.Runtime) -> None:
    """Let a runtime load a version-compatible engine, which brings code for the processor along."""
    if hasattr(runtime, "engine_host_code_allowed"):
        runtime.engine_host_code_allowed = True


def shared_memory_bytes(engine: trt.ICudaEngine) -> int:
    """Device memory, in bytes, for contexts that never run at once to share; 0 where each has to bring its own."""
    if not hasattr(trt.IExecutionContext, "set_device_memory"):
        return 0  # before 10.1
    if hasattr(engine, "device_memory_size_v2"):
        return int(engine.device_memory_size_v2)
    return int(engine.device_memory_size) if hasattr(engine, "device_memory_size") else 0


def create_context(engine: trt.ICudaEngine, address: int, nbytes: int) -> trt.IExecutionContext:
    """An execution context.

    Args:
        engine: a deserialised engine.
        address: of device memory to work in, which contexts that never run at once may share.
        nbytes: `shared_memory_bytes`; with 0 TensorRT allocates memory of the context's own.

    Raises:
        EngineError: TensorRT gave none.
    """
    context: trt.IExecutionContext | None
    if nbytes and hasattr(trt, "ExecutionContextAllocationStrategy"):
        create = cast(Any, engine.create_execution_context)  # before 10 it takes no strategy
        context = create(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if context is not None and hasattr(context, "set_device_memory"):
            context.set_device_memory(address, nbytes)
    else:
        context = engine.create_execution_context()
    if context is None:
        raise EngineError(
            f"Found TensorRT {trt.__version__} giving no execution context, which happens when device memory runs out.",
            "Close other programs that use the GPU.",
        )
    return context


def failed_node(error: trt.ParserError) -> tuple[int, str]:
    """Index of the graph's node that the parser stumbled on, −1 for none, and its name where the parser tells it."""
    if hasattr(error, "node_name"):
        return int(error.node()), str(error.node_name())
    return int(error.node()), ""


def extents(dims: trt.Dims) -> tuple[int, ...]:
    """A tensor's shape as a tuple; −1 where it is open."""
    return tuple(int(dims[axis]) for axis in range(len(dims)))


def content(memory: trt.IHostMemory) -> bytes:
    """The bytes of a serialised engine or timing cache; it has the buffer protocol, which its stubs do not say."""
    return bytes(cast(Any, memory))


def _missing(what: str, since: str, instead: str) -> CompileError:
    return CompileError(f"Found TensorRT {trt.__version__} without {what}, expected {since} or later.", instead)
