"""The whole life of an engine on the simulated TensorRT: our logic on five versions; no result of a real GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.table import load_compiler
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError, EngineError
from tests.simulated_nvidia.site import JETPACK_5, JETPACK_6_0, JETPACK_6_2, JETPACK_7, NEWEST, simulated
from tests.tiny_bundle import color_frame
from tests.unit.backends.conftest import ONE_THREAD

FRAMES = [color_frame(seed) for seed in range(5)]


@pytest.fixture(scope="module", params=[JETPACK_5, JETPACK_6_0, JETPACK_6_2, JETPACK_7, NEWEST])
def version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Each version in turn."""
    with simulated(tmp_path_factory.mktemp("site"), request.param):
        yield request.param


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The newest version."""
    with simulated(tmp_path_factory.mktemp("site"), NEWEST):
        yield


def compiled(bundle: Bundle, folder: Path, options: EngineOptions = ONE_THREAD) -> Path:
    """Compile in this process."""
    folder.mkdir(exist_ok=True)
    load_compiler("tensorrt").compile(bundle, folder, options)
    return folder


@contextmanager
def opened(folder: Path, options: EngineOptions = ONE_THREAD) -> Iterator[Any]:
    """An engine that leaves nothing behind on the simulated GPU."""
    from tests.simulated_nvidia.gpu import DEVICE

    engine: Any = load_compiler("tensorrt").load(folder, options)
    try:
        yield engine
    finally:
        engine.close()
    assert DEVICE.held() == {}


def held() -> dict[str, int]:
    from tests.simulated_nvidia.gpu import DEVICE

    return DEVICE.held()


def test_compile_run_two_in_flight_time_and_free(version: str, bundle: Bundle, tmp_path: Path) -> None:
    selftest = bundle.selftest()
    for precision in ("fp16", "fp32"):
        options = replace(ONE_THREAD, precision=precision)
        with opened(compiled(bundle, tmp_path / precision, options), options) as engine:
            for frame, labels in zip(selftest.frames, selftest.labels, strict=True):
                assert np.mean(engine.run(frame) == labels) > 0.99
            alone = [engine.run(frame) for frame in FRAMES]
            np.testing.assert_array_equal(list(engine.stream(FRAMES)), alone)
            times = engine.layer_times_ms(FRAMES[0], rounds=2)
            assert {layer.name for layer in engine.layers()} == set(times)
            assert {layer.precision for layer in engine.layers() if layer.weighted} == {precision}


def test_frames_in_flight_keep_their_order_and_their_number(newest: None, bundle: Bundle, tmp_path: Path) -> None:
    with opened(compiled(bundle, tmp_path / "out")) as engine:
        first, second = (engine.run(frame) for frame in FRAMES[:2])
        engine.start(FRAMES[0])
        engine.start(FRAMES[1])
        with pytest.raises(EngineError, match="Found 2 frames in flight, expected one to be finished first"):
            engine.start(FRAMES[2])
        with pytest.raises(EngineError, match="Found frames in flight, expected none"):
            engine.run(FRAMES[2])
        np.testing.assert_array_equal(engine.finish(), first)
        np.testing.assert_array_equal(engine.finish(), second)
        with pytest.raises(EngineError, match="Found no frame in flight"):
            engine.finish()
        engine.start(FRAMES[0])  # closing with one in flight


def test_a_stream_that_is_left_early_leaves_no_frame_in_flight(newest: None, bundle: Bundle, tmp_path: Path) -> None:
    with opened(compiled(bundle, tmp_path / "out")) as engine:
        alone = engine.run(FRAMES[3])
        labels = engine.stream(FRAMES)
        next(labels)
        labels.close()
        np.testing.assert_array_equal(engine.run(FRAMES[3]), alone)


@pytest.mark.parametrize("fails", ["", "cuStreamEndCapture", "cuGraphInstantiateWithFlags"])
def test_a_cuda_graph_gives_the_same_labels_or_is_done_without(
    newest: None, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    folder = compiled(bundle, tmp_path / "out")
    with opened(folder) as engine:
        assert not engine.captured
        alone = [engine.run(frame) for frame in FRAMES]
    from etc_edge.backends.tensorrt.cuda_graph import DriverGraphs
    from tests.simulated_nvidia.driver_library import SimulatedLibrary

    library = SimulatedLibrary(fails)
    monkeypatch.setattr(DriverGraphs, "find", classmethod(lambda cls: cls(library)))
    engine = load_compiler("tensorrt").load(folder, ONE_THREAD)
    assert engine.captured == (not fails)  # type: ignore[attr-defined]
    np.testing.assert_array_equal([engine.run(frame) for frame in FRAMES], alone)
    assert library.launches == (0 if fails else len(FRAMES))
    engine.close()
    assert held() == {}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no_driver", r"Found no NVIDIA GPU \(cuInit failed: no CUDA-capable device is detected\)"),
        ("no_gpu", r"Found no NVIDIA GPU \(the driver shows no device\)"),
        ("no_builder", r"unable to use the GPU: CUDA initialization failure with error: 35"),
        ("build", r"could not build the network: Could not find any implementation for node conv_4"),
        ("precision", r"Found 0 of \d+ layers with weights in fp16 .*fp32"),
        ("context", r"giving no execution context, which happens when device memory runs out"),
        ("execute", r"failing to run the network"),
        ("float_labels", r"expected uint8 frames \(1, H, W, 3\) and uint8 labels"),
    ],
)
def test_what_goes_wrong_is_one_clear_error_and_leaves_nothing_on_the_gpu(
    newest: None, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    monkeypatch.setenv("SIMULATED_NVIDIA_FAULT", fault)
    with (
        pytest.raises((CompileError, EngineError), match=message),
        closing(load_compiler("tensorrt").load(compiled(bundle, tmp_path / "out"), ONE_THREAD)) as engine,
    ):
        engine.run(FRAMES[0])
    assert held() == {}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"precision": "int4"}, "Found precision 'int4', expected one of int8, fp8, fp16, fp32"),
        ({"workspace_mib": 9000}, "Found a workspace of 9000 MiB, expected 1 to the 8192 MiB that Simulated GPU has"),
        ({"dla_core": 0}, "Found DLA core 0 asked for on a device with no deep learning accelerator"),
        ({"precision": "int8"}, "quantiz"),
    ],
)
def test_a_choice_that_this_device_or_bundle_cannot_have(
    newest: None, bundle: Bundle, tmp_path: Path, choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(Exception, match=message) as caught:
        compiled(bundle, tmp_path / "out", replace(ONE_THREAD, **choices))
    assert type(caught.value).__module__ == CompileError.__module__


def test_what_a_version_has_not_is_refused_and_what_it_has_is_done(
    version: str, bundle: Bundle, tmp_path: Path
) -> None:
    for number, choice in enumerate(
        ({"optimization_level": 1}, {"version_compatible": True}, {"hardware_compatible": True})
    ):
        options = replace(ONE_THREAD, **choice)  # type: ignore[arg-type]
        if version == JETPACK_5:
            with pytest.raises(CompileError, match=f"Found TensorRT {version} without .* expected 8.6 or later"):
                compiled(bundle, tmp_path / str(number), options)
        else:
            with opened(compiled(bundle, tmp_path / str(number), options), options) as engine:
                engine.run(FRAMES[0])


def test_layers_that_the_accelerator_lacks_are_told(
    newest: None, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATED_NVIDIA_DLA_CORES", "2")
    built = load_compiler("tensorrt").compile(bundle, tmp_path, replace(ONE_THREAD, dla_core=1))
    assert built is not None
    assert "layers fell back to the GPU" in built.note
    with pytest.raises(CompileError, match="Found DLA core 2 asked for on a device with cores 0 to 1"):
        compiled(bundle, tmp_path, replace(ONE_THREAD, dla_core=2))


def test_kernel_times_are_kept_and_those_of_another_device_are_refused(
    newest: None, bundle: Bundle, tmp_path: Path, cache: Path
) -> None:
    compiled(bundle, tmp_path / "out")
    (kept,) = (cache / "timings").iterdir()
    times = kept.read_bytes()
    kept.write_bytes(b"times of another GPU")
    compiled(bundle, tmp_path / "out")
    assert kept.read_bytes() == times
