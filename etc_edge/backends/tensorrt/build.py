"""One build: a graph, the user's choices and this device make a serialised engine."""

from __future__ import annotations

from dataclasses import dataclass

import tensorrt as trt

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.tensorrt.calls import (
    allow_later_gpus,
    allow_later_versions,
    allow_precision,
    content,
    keep_in_float32,
    set_optimization_level,
    takes_types_from_the_graph,
)
from etc_edge.backends.tensorrt.gpu_facts import GpuFacts
from etc_edge.backends.tensorrt.logger import Log
from etc_edge.backends.tensorrt.parsing import parse
from etc_edge.backends.tensorrt.progress_monitor import reported
from etc_edge.backends.tensorrt.source import Source
from etc_edge.backends.tensorrt.timing_cache import keep_timing_cache, use_timing_cache
from etc_edge.core.errors import CompileError
from etc_edge.core.progress import Progress

MIB = 1 << 20


@dataclass(frozen=True)
class Built:
    """A finished build.

    Args:
        plan: the serialised engine.
        on_gpu: layers that the accelerator which was asked for cannot run, by name; TensorRT runs them on the GPU.
    """

    plan: bytes
    on_gpu: tuple[str, ...] = ()


def build(
    source: Source,
    options: EngineOptions,
    gpu: GpuFacts,
    progress: Progress,
    sizes_hw: tuple[tuple[int, int], ...] = (),
) -> Built:
    """Build an engine.

    Args:
        source: the graph.
        options: the user's choices.
        gpu: the device that it is for.
        progress: told how far it is, where TensorRT says.
        sizes_hw: for a graph whose frames have an open size: the sizes to build for, one profile each; left out, the
            bundle's.

    Raises:
        CompileError: TensorRT refuses the graph or a choice, or the build fails.
    """
    log = Log()
    builder = _builder(log)
    network = parse(builder, source, log)
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    _choose_precision(network, config, source)
    _choose_limits(config, options, gpu)
    on_gpu = () if options.dla_core is None else _choose_dla(builder, network, config, options.dla_core, source)
    if source.dynamic:
        _add_profiles(builder, network, config, sizes_hw or (source.size_hw,))
    device = gpu.in_words()
    use_timing_cache(config, device, progress)
    with reported(config, progress):
        plan: trt.IHostMemory | None = builder.build_serialized_network(network, config)
    if plan is None:
        raise CompileError(
            f"TensorRT {trt.__version__} could not build the network: {log.last_error()}.",
            "Try another --precision or a larger --workspace-mib.",
        )
    keep_timing_cache(config, device, progress)
    return Built(content(plan), on_gpu)


def _builder(log: Log) -> trt.Builder:
    try:
        return trt.Builder(log)
    except TypeError as error:  # what the bindings make of the null pointer that the library gives
        raise CompileError(
            f"Found TensorRT {trt.__version__} unable to use the GPU: {log.last_error()}.",
            "Its CUDA must be one that the driver supports: see `etc-edge doctor`.",
        ) from error


def _choose_precision(network: trt.INetworkDefinition, config: trt.IBuilderConfig, source: Source) -> None:
    # What is written as FP32 is computed in it, not in TF32's 10 bits of mantissa.
    config.clear_flag(trt.BuilderFlag.TF32)
    if not (source.typed and takes_types_from_the_graph()):
        allow_precision(config, source.precision)
        if source.precision != "fp32":
            keep_in_float32(network, config, source.float32_nodes)


def _choose_limits(config: trt.IBuilderConfig, options: EngineOptions, gpu: GpuFacts) -> None:
    if options.workspace_mib is not None:
        available = gpu.memory_bytes // MIB
        if not 0 < options.workspace_mib <= available:
            raise CompileError(
                f"Found a workspace of {options.workspace_mib} MiB, expected 1 to the {available} MiB that {gpu.name} "
                "has.",
                "Choose a smaller --workspace-mib.",
            )
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib * MIB)
    if options.optimization_level is not None:
        set_optimization_level(config, options.optimization_level)
    if options.version_compatible:
        allow_later_versions(config)
    if options.hardware_compatible:
        if gpu.integrated:
            raise CompileError(
                f"Found hardware compatibility asked for on {gpu.name}, which TensorRT has for desktops and servers.",
                "Leave --hardware-compatible out.",
            )
        allow_later_gpus(config)


def _choose_dla(
    builder: trt.Builder, network: trt.INetworkDefinition, config: trt.IBuilderConfig, core: int, source: Source
) -> tuple[str, ...]:
    """Put on the accelerator what it can run; the names of the rest."""
    cores = builder.num_DLA_cores
    if core >= cores:
        has = f"cores 0 to {cores - 1}" if cores else "no deep learning accelerator"
        raise CompileError(
            f"Found DLA core {core} asked for on a device with {has}.",
            "Leave --dla-core out: the GPU runs it." if not cores else "Choose one of those.",
        )
    if source.dynamic:
        raise CompileError(
            f"Found frames of an open size {source.input_shape} for DLA core {core}, expected a fixed one.",
            "Export the network with a fixed --size, or leave --dla-core out.",
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    layers = (network.get_layer(index) for index in range(network.num_layers))
    return tuple(layer.name for layer in layers if not config.can_run_on_DLA(layer))


def _add_profiles(
    builder: trt.Builder,
    network: trt.INetworkDefinition,
    config: trt.IBuilderConfig,
    sizes_hw: tuple[tuple[int, int], ...],
) -> None:
    frame = network.get_input(0).name
    for height, width in sizes_hw:
        profile = builder.create_optimization_profile()
        shape = trt.Dims([1, height, width, 3])
        profile.set_shape(frame, shape, shape, shape)
        if config.add_optimization_profile(profile) < 0:
            raise CompileError(f"TensorRT {trt.__version__} refused frames of {(height, width)} for this network.")
