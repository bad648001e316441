"""A simulated runtime: engines, execution contexts, inspector. Names and arguments are those of NVIDIA's bindings."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from tests.simulated_nvidia import values
from tests.simulated_nvidia.gpu import DEVICE, SimulatedFault, computes_nothing, fault
from tests.simulated_nvidia.plan import Plan, device_words
from tests.simulated_nvidia.values import Dims, Fixed


class EngineInspector(Fixed):
    def __init__(self, plan: Plan) -> None:
        object.__setattr__(self, "_plan", plan)

    def get_engine_information(self, format: Any) -> str:
        assert format == values.LayerInformationFormat.JSON
        return '{"Layers": ' + self._plan.layers.decode() + ', "Bindings": []}'


class IExecutionContext(Fixed):
    def __init__(self, engine: ICudaEngine, managed: bool) -> None:
        object.__setattr__(self, "_engine", engine)
        object.__setattr__(self, "_addresses", {})
        object.__setattr__(self, "_size_hw", None if -1 in engine._plan.frame[1] else engine._plan.frame[1][1:3])
        object.__setattr__(self, "_own_memory", not managed)
        object.__setattr__(self, "_profiler", None)
        object.__setattr__(self, "_profile", 0)

    @property
    def profiler(self) -> Any:
        return self._profiler

    @profiler.setter
    def profiler(self, value: Any) -> None:
        object.__setattr__(self, "_profiler", value)

    def set_device_memory(self, memory: int, size: int) -> None:
        DEVICE.memory.at(memory, size)
        object.__setattr__(self, "_own_memory", True)

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        if not 0 <= profile_index < max(1, len(self._engine._plan.sizes)):
            return False
        object.__setattr__(self, "_profile", profile_index)
        return True

    def set_input_shape(self, name: str, shape: Dims) -> bool:
        wanted = self._engine._plan.sizes[self._profile]
        if name != self._engine._plan.frame[0] or list(shape) != wanted:
            return False
        object.__setattr__(self, "_size_hw", wanted[1:3])
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        DEVICE.expect_context("execute_async_v3")
        if fault() == "execute" or self._size_hw is None:
            return False
        if not self._own_memory:
            raise SimulatedFault("a context without device memory was run")
        plan, (height, width) = self._engine._plan, self._size_hw
        source, target = self._addresses[plan.frame[0]], self._addresses[plan.labels[0]]

        def work() -> None:
            if computes_nothing():
                return
            frame = DEVICE.memory.at(source, height * width * 3).reshape(1, height, width, 3)
            (labels,) = self._engine._session.run([plan.labels[0]], {plan.frame[0]: frame})
            np.copyto(DEVICE.memory.at(target, labels.size), labels.reshape(-1))
            if self._profiler is not None:
                for layer in self._engine._layers:
                    self._profiler.report_layer_time(layer, 0.25)

        DEVICE.queues[stream_handle].put(work)
        return True


class ICudaEngine(Fixed):
    def __init__(self, plan: Plan) -> None:
        import msgspec
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        session = onnxruntime.InferenceSession(plan.graph, options, providers=["CPUExecutionProvider"])
        layers = [layer if isinstance(layer, str) else layer["Name"] for layer in msgspec.json.decode(plan.layers)]
        object.__setattr__(self, "_plan", plan)
        object.__setattr__(self, "_session", session)
        object.__setattr__(self, "_layers", layers)

    @property
    def num_io_tensors(self) -> int:
        return 2

    @property
    def num_optimization_profiles(self) -> int:
        return max(1, len(self._plan.sizes))

    @property
    def device_memory_size(self) -> int:
        return 4096

    @property
    def device_memory_size_v2(self) -> int:
        return 4096

    def get_tensor_name(self, index: int) -> str:
        return (self._plan.frame[0], self._plan.labels[0])[index]

    def get_tensor_mode(self, name: str) -> Any:
        return values.TensorIOMode.INPUT if name == self._plan.frame[0] else values.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return values.DataType.FLOAT if fault() == "float_labels" and name == self._plan.labels[0] else (
            values.DataType.UINT8
        )  # fmt: skip

    def get_tensor_shape(self, name: str) -> Dims:
        return Dims(self._plan.frame[1] if name == self._plan.frame[0] else self._plan.labels[1])

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        return [Dims(self._plan.sizes[profile_index])] * 3

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector(self._plan)

    def create_execution_context(self, strategy: Any = None) -> IExecutionContext | None:
        if strategy is not None and values.ExecutionContextAllocationStrategy is None:
            raise TypeError("create_execution_context(): incompatible function arguments")
        if fault() == "context":
            return None
        return IExecutionContext(self, getattr(strategy, "name", "") == "USER_MANAGED")


class Runtime(Fixed):
    def __init__(self, logger: Any) -> None:
        object.__setattr__(self, "_logger", logger)
        object.__setattr__(self, "_settings", {"core": -1, "host_code": False})

    @property
    def DLA_core(self) -> int:
        return self._settings["core"]

    @DLA_core.setter
    def DLA_core(self, value: int) -> None:
        self._settings["core"] = value

    @property
    def engine_host_code_allowed(self) -> bool:
        return self._settings["host_code"]

    @engine_host_code_allowed.setter
    def engine_host_code_allowed(self, value: bool) -> None:
        self._settings["host_code"] = value

    @property
    def num_DLA_cores(self) -> int:
        return int(os.environ.get("SIMULATED_NVIDIA_DLA_CORES", "0"))

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        DEVICE.expect_context("deserialize_cuda_engine")
        plan = Plan.read(bytes(serialized_engine))
        if plan is None:
            problem = "Serialization assertion magicTagRead == kMAGIC_TAG failed."
        elif plan.version != values.version() and not plan.compatible:
            problem = f"The engine plan file is not compatible with this version of TensorRT, expecting library version {values.version()} got {plan.version}"  # noqa: E501
        elif plan.compatible and not self._settings["host_code"]:
            problem = "engine host code is not allowed"
        elif plan.device != device_words():
            problem = "Using an engine plan file across different models of devices is not supported."
        else:
            return ICudaEngine(plan)
        self._logger.log(values.ILogger.Severity.ERROR, problem)
        return None
