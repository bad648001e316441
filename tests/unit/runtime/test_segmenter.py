"""The class that applications use, on a real engine and real sources."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.cache import copy_out
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError, CompileError, DependencyError, EngineError, EtcEdgeError, SourceError
from etc_edge.runtime.segmenter import Segmenter
from tests.tiny_bundle import LABELS, SIZE_HW, color_frame, write_tiny_bundle

UInt8 = npt.NDArray[np.uint8]

BACKEND = "onnxruntime"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc")


@pytest.fixture(scope="module")
def segmenter(bundle: Bundle) -> Segmenter:
    return Segmenter.load(bundle, BACKEND, threads=1)


def strongest(frame_rgb: UInt8) -> UInt8:
    labels: UInt8 = frame_rgb.argmax(axis=2).astype(np.uint8)
    return labels


def test_it_says_what_it_is(segmenter: Segmenter) -> None:
    assert segmenter.name == "colors"
    assert segmenter.label_set == LABELS
    assert segmenter.size_hw == SIZE_HW
    assert segmenter.threads == 1
    assert segmenter.compiled.manifest.backend == BACKEND


@pytest.mark.parametrize("size_hw", [SIZE_HW, (64, 96), (100, 75), (16, 24), (33, 47)])
def test_labels_come_at_the_frames_own_size(segmenter: Segmenter, size_hw: tuple[int, int]) -> None:
    frame = color_frame(1, size_hw)
    labels = segmenter(frame)
    assert labels.shape == size_hw
    assert labels.dtype == np.uint8
    assert np.mean(labels == strongest(frame)) > 0.93


def test_a_view_of_a_larger_image_will_do(segmenter: Segmenter) -> None:
    frame = color_frame(2, (64, 96))
    expected = segmenter(np.ascontiguousarray(frame[:, ::-1]))
    np.testing.assert_array_equal(segmenter(frame[:, ::-1]), expected)


def test_results_are_the_callers_own(segmenter: Segmenter) -> None:
    first = segmenter(color_frame(1))
    kept = first.copy()
    segmenter(color_frame(2))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (np.zeros((32, 48), np.uint8), r"uint8 \(32, 48\)"),
        (np.zeros((32, 48, 4), np.uint8), r"uint8 \(32, 48, 4\)"),
        (np.zeros((32, 48, 3), np.float32), r"float32 \(32, 48, 3\)"),
        (np.zeros((0, 48, 3), np.uint8), r"uint8 \(0, 48, 3\)"),
        ([[1, 2, 3]], "type list"),
    ],
)
def test_what_is_no_frame(segmenter: Segmenter, frame: UInt8, found: str) -> None:
    with pytest.raises(EngineError, match=rf"Found a frame .*{found}, expected .*uint8 \(H, W, 3\)"):
        segmenter(frame)


def test_a_second_thread_gets_an_error_and_the_first_its_labels(bundle: Bundle) -> None:
    frame = color_frame(1, (720, 1280))
    with Segmenter.load(bundle, BACKEND, threads=1) as segmenter:
        expected = segmenter(frame)
        errors: list[Exception] = []
        wrong = 0
        start = threading.Barrier(2)

        def work() -> None:
            nonlocal wrong
            start.wait()
            for _ in range(150):
                try:
                    wrong += not np.array_equal(segmenter(frame), expected)
                except EngineError as error:
                    errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == 0
        assert errors
        assert "second thread" in str(errors[0])
        np.testing.assert_array_equal(segmenter(frame), expected)


def test_an_instance_for_each_thread(bundle: Bundle) -> None:
    found: dict[int, UInt8] = {}

    def work(seed: int) -> None:
        with Segmenter.load(bundle, BACKEND, threads=1) as own:
            for _ in range(20):
                found[seed] = own(color_frame(seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(3):
        assert np.mean(found[seed] == strongest(color_frame(seed))) > 0.93


def test_a_stream_by_name(segmenter: Segmenter) -> None:
    results = list(segmenter.stream("synthetic:street?size=60x80&frames=4&seed=1"))
    assert [result.index for result in results] == [0, 1, 2, 3]
    for result in results:
        assert result.labels.shape == (60, 80)
        assert result.latency_ms > 0
        np.testing.assert_array_equal(result.labels, segmenter(result.frame.image_rgb))


def test_a_stream_left_early_can_be_begun_again(segmenter: Segmenter) -> None:
    for _ in range(2):
        for result in segmenter.stream("synthetic:street?size=60x80&frames=50&seed=1"):
            if result.index == 2:
                break
        assert result.index == 2


def test_a_source_that_is_not_there(segmenter: Segmenter, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        next(iter(segmenter.stream(str(tmp_path / "absent.mp4"))))


def test_a_compiled_form_brings_its_own_target(bundle: Bundle, tmp_path: Path) -> None:
    with Segmenter.load(bundle, BACKEND, threads=1) as segmenter:
        out = copy_out(segmenter.compiled, tmp_path / "engine").path
    with Segmenter.load(out) as segmenter:
        assert segmenter.threads == 1
        assert segmenter(color_frame(1)).shape == SIZE_HW
    with Segmenter.load(str(out), BACKEND, threads=2) as segmenter:
        assert segmenter.threads == 2
    with pytest.raises(EngineError, match=r"compiled for onnxruntime .* expected one for openvino"):
        Segmenter.load(out, "openvino")


def test_models_that_cannot_be_loaded(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle"):
        Segmenter.load(tmp_path / "absent.etc")
    with pytest.raises(CompileError, match="jetson-orbit"):
        Segmenter.load(bundle, "jetson-orbit")
    with pytest.raises(EngineError, match="Found 0 threads"):
        Segmenter.load(bundle, BACKEND, threads=0)
    changed = write_tiny_bundle(tmp_path / "colors.etc")
    Segmenter.load(changed, BACKEND, threads=1).close()
    data = changed.model_path.read_bytes()
    changed.model_path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BundleError, match="changed"):
        Segmenter.load(changed, BACKEND, threads=1)


def test_a_closed_one_says_so(bundle: Bundle) -> None:
    segmenter = Segmenter.load(bundle, BACKEND, threads=1)
    segmenter.close()
    segmenter.close()
    with pytest.raises(EtcEdgeError, match="closed"):
        segmenter(color_frame(1))


def in_a_fresh_process(script: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_it_brings_no_heavy_package() -> None:
    heavy = ["torch", "onnx", "onnxruntime", "openvino", "cv2", "av", "click", "rich"]
    script = f"import sys, etc_edge.runtime; print([name for name in {heavy} if name in sys.modules])"
    assert in_a_fresh_process(script) == "[]\n"


@pytest.mark.parametrize("target", [BACKEND, "cpu"])
def test_a_cached_engine_needs_neither_onnx_nor_torch(bundle: Bundle, target: str) -> None:
    options = EngineOptions(threads=1)
    Segmenter.load(bundle, target, threads=options.threads).close()
    script = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxsim'): sys.modules[name] = None\n"
        "import numpy as np\n"
        "from etc_edge.runtime import Segmenter\n"
        f"with Segmenter.load({str(bundle.path)!r}, {target!r}, threads=1) as segmenter:\n"
        "    print(segmenter(np.zeros((50, 60, 3), np.uint8)).shape)\n"
    )
    assert in_a_fresh_process(script) == "(50, 60)\n"


@pytest.mark.parametrize("target", [BACKEND, "cpu"])
def test_compiling_without_onnx_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    bundle = write_tiny_bundle(tmp_path / "colors.etc")
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "onnx.py").write_text("raise ModuleNotFoundError('No module named onnx', name='onnx')")
    monkeypatch.syspath_prepend(str(absent))
    monkeypatch.setenv("ETC_EDGE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DependencyError, match="no package 'onnx'") as caught:
        Segmenter.load(bundle, target, threads=1)
    assert caught.value.hint == 'Try: pip install "etc-edge[graph]"'
