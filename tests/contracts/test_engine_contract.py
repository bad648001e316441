"""What every backend's compiler and engine do: one abstract test, one subclass a backend."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from etc_edge.backends.base import Engine, EngineOptions, StagedEngine
from etc_edge.backends.cache import compile_into
from etc_edge.backends.compiled import SELFTEST_AGREEMENT, Compiled
from etc_edge.backends.table import BACKENDS, load_compiler
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError, EngineError
from tests.simulated_nvidia.site import JETPACK_7, simulated
from tests.tiny_bundle import SIZE_HW, color_frame, write_tiny_bundle


class EngineContract:
    """Hold a backend to the protocol, on a real network of a few kilobytes.

    `package` is what the engine cannot be without, `spared` what running it needs not.
    """

    backend: str
    package: str
    spared: tuple[str, ...] = ("onnx", "torch", "onnxsim")

    @classmethod
    def skip_where_it_cannot_run(cls) -> None:
        """Skip the test without the engine's package, or without what the package needs."""
        pytest.importorskip(cls.package)

    @pytest.fixture(scope="class")
    @classmethod
    def bundle(cls, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
        cls.skip_where_it_cannot_run()
        return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc")

    @pytest.fixture(scope="class")
    @classmethod
    def compiled(cls, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
        return compile_into(tmp_path_factory.mktemp("engine") / "out", bundle, cls.backend, EngineOptions(threads=2))

    @pytest.fixture
    def engine(self, compiled: Compiled) -> Iterator[Engine]:
        engine = compiled.load()
        yield engine
        engine.close()

    def test_the_form_says_what_it_is(self, compiled: Compiled, bundle: Bundle) -> None:
        manifest = compiled.manifest
        assert manifest.backend == self.backend
        assert manifest.backend_version == load_compiler(self.backend).version()
        assert manifest.bundle_hash == bundle.hash
        assert compiled.options == EngineOptions(threads=2)
        assert compiled.labels == bundle.labels
        assert compiled.preprocessing == bundle.preprocessing
        assert manifest.selftest_agreement >= SELFTEST_AGREEMENT["fp32"]
        assert {path.name for path in compiled.path.iterdir()} == {*manifest.files, "engine.json"}

    def test_labels_are_the_reference_evaluators(self, engine: Engine, bundle: Bundle) -> None:
        selftest = bundle.selftest()
        for frame, labels in zip(selftest.frames, selftest.labels, strict=True):
            found = engine.run(frame)
            assert found.dtype == np.uint8
            assert found.shape == SIZE_HW
            assert np.mean(found == labels) >= SELFTEST_AGREEMENT["fp32"]

    def test_steps_one_by_one_are_run(self, engine: Engine) -> None:
        if not isinstance(engine, StagedEngine):
            pytest.skip("it has no steps of its own")
        expected = engine.run(color_frame(1))
        engine.run(color_frame(2))
        engine.put(color_frame(1))
        engine.execute()
        np.testing.assert_array_equal(engine.take(), expected)
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            engine.execute()

    def test_every_result_is_the_callers_own(self, engine: Engine) -> None:
        first = engine.run(color_frame(1))
        kept = first.copy()
        second = engine.run(color_frame(2))
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(first, kept)
        first[:] = 7
        np.testing.assert_array_equal(engine.run(color_frame(2)), second)

    def test_the_frame_is_left_alone_and_need_not_be_contiguous(self, engine: Engine) -> None:
        wide = np.concatenate([color_frame(3), color_frame(4)], axis=1)
        view = wide[:, : SIZE_HW[1]]
        before = wide.copy()
        np.testing.assert_array_equal(engine.run(view), engine.run(color_frame(3)))
        np.testing.assert_array_equal(wide, before)

    @pytest.mark.parametrize(
        "frame",
        [
            np.zeros((SIZE_HW[0], SIZE_HW[1] + 1, 3), np.uint8),
            np.zeros((1, SIZE_HW[1], 3), np.uint8),
            np.zeros((*SIZE_HW, 4), np.uint8),
            np.zeros((*SIZE_HW, 3), np.float32),
        ],
    )
    def test_a_frame_that_does_not_fit(self, engine: Engine, frame: np.ndarray) -> None:  # type: ignore[type-arg]
        with pytest.raises(EngineError, match=r"Found a frame .*, expected uint8 \(32, 48, 3\)"):
            engine.run(frame)

    def test_threads_can_be_chosen_when_it_is_loaded(self, compiled: Compiled) -> None:
        engine = compiled.load(threads=1)
        assert engine.threads == 1
        np.testing.assert_array_equal(engine.run(color_frame(1)), compiled.load().run(color_frame(1)))

    def test_two_engines_of_one_form_live_side_by_side(self, compiled: Compiled) -> None:
        one, other = compiled.load(), compiled.load()
        labels = other.run(color_frame(5))
        one.close()
        np.testing.assert_array_equal(other.run(color_frame(5)), labels)

    def test_a_signal_after_the_first_of_two_engines_went_first(self, compiled: Compiled) -> None:
        script = (
            "import faulthandler, gc, signal, numpy as np\n"
            "faulthandler.enable()\n"
            "from etc_edge.backends.compiled import Compiled\n"
            f"one, other = (Compiled.open({str(compiled.path)!r}).load() for _ in range(2))\n"
            "for engine in (one, other): engine.run(np.zeros((32, 48, 3), np.uint8))\n"
            "one.close(); del one; gc.collect()\n"
            "other.close(); del other, engine; gc.collect()\n"
            "signal.signal(signal.SIGUSR1, lambda number, frame: print('handled'))\n"
            "signal.raise_signal(signal.SIGUSR1)\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr

    def test_closing_twice_and_running_after(self, compiled: Compiled) -> None:
        engine = compiled.load()
        engine.close()
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            engine.run(color_frame(1))

    def test_files_that_are_no_engine_are_an_error_of_ours(self, compiled: Compiled, tmp_path: Path) -> None:
        for name in compiled.manifest.files:
            (tmp_path / name).write_bytes(b"not an engine" * 20)
        with pytest.raises(EngineError, match="could not load"):
            load_compiler(self.backend).load(tmp_path, EngineOptions(threads=1))

    def test_a_graph_that_the_vendor_refuses(self, bundle: Bundle, tmp_path: Path) -> None:
        data = bundle.model_path.read_bytes().replace(b"ArgMax", b"ArgMix")
        path = tmp_path / "broken.etc"
        path.mkdir()
        for file in bundle.path.iterdir():
            (path / file.name).write_bytes(data if file == bundle.model_path else file.read_bytes())
        engine_folder = tmp_path / "out"
        engine_folder.mkdir()
        with pytest.raises(Exception, match=r"Arg|refused|invalid") as caught:
            load_compiler(self.backend).compile(Bundle.open(path), engine_folder, EngineOptions(threads=1))
        assert type(caught.value).__module__ == CompileError.__module__

    def test_running_needs_no_more_than_the_engine(self, compiled: Compiled, tmp_path: Path) -> None:
        script = (
            "import sys\n"
            f"for name in {self.spared!r}: sys.modules[name] = None\n"
            "import numpy as np\n"
            "from etc_edge.backends.compiled import Compiled\n"
            f"engine = Compiled.open({str(compiled.path)!r}).load()\n"
            "print(engine.run(np.zeros((32, 48, 3), np.uint8)).shape)\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
        assert done.stdout == "(32, 48)\n", done.stderr

    def test_nothing_is_reported_to_the_vendor(self, compiled: Compiled, tmp_path: Path) -> None:
        script = (
            "import threading, numpy as np\n"
            "from etc_edge.backends.compiled import Compiled\n"
            f"engine = Compiled.open({str(compiled.path)!r}).load()\n"
            "engine.run(np.zeros((32, 48, 3), np.uint8))\n"
            "print(threading.active_count())\n"
        )
        kept = {name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME")}
        kept.pop("ORT_DISABLE_TELEMETRY", None)
        environment = {**kept, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
        assert done.stdout == "1\n", done.stderr
        assert list(tmp_path.iterdir()) == [], "vendors keep what they have to report in the user's folder"


class TestOnnxRuntime(EngineContract):
    """ONNX Runtime on the CPU."""

    backend = package = "onnxruntime"


class TestOpenVino(EngineContract):
    """OpenVINO on the CPU."""

    backend = package = "openvino"


class TestSimulatedTensorRt(EngineContract):
    """TensorRT 10.13 as it is simulated, for the logic of compiler and engine; its numbers are ONNX Runtime's."""

    backend = package = "tensorrt"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _simulated(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        with simulated(tmp_path_factory.mktemp("site"), JETPACK_7):
            yield


class TestTorch(EngineContract):
    """torch on the GPU if there is one, else on the CPU."""

    backend = package = "torch"
    spared = ("onnx", "onnxsim")


class TestTorchFp32(EngineContract):
    """torch in 32-bit floats."""

    backend, package = "torch-fp32", "torch"
    spared = ("onnx", "onnxsim")


class TestTorchTensorRt(EngineContract):
    """Torch-TensorRT, where it and a GPU are."""

    backend = package = "torch_tensorrt"
    spared = ("onnx", "onnxsim")

    @classmethod
    def skip_where_it_cannot_run(cls) -> None:
        """See EngineContract."""
        super().skip_where_it_cannot_run()
        if not pytest.importorskip("torch").cuda.is_available():
            pytest.skip("no NVIDIA GPU")


def test_every_backend_of_the_table_is_held_to_the_contract() -> None:
    held = {one.backend for one in EngineContract.__subclasses__()}
    assert held == set(BACKENDS.names())
