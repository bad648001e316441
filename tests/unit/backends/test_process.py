"""Vendor code that crashes, hangs or leaves is one clear line to the caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etc_edge.backends.process import ask_child
from etc_edge.backends.request import CompileRequest
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError, CompileError, DependencyError
from tests.unit.backends import other_backends as other
from tests.unit.backends.conftest import ONE_THREAD
from tests.unit.backends.other_backends import named


def request(bundle: Bundle, folder: Path, backend: type[other.Recalling]) -> CompileRequest:
    return CompileRequest(str(bundle.path), named(backend), ONE_THREAD, str(folder))


def wait_for(path: Path, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"no {path} after {seconds} s"
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody has reaped is dead as well.
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        (other.CrashesCompiling, r"Found trying it crashed inside the vendor's library \(SIGSEGV\)"),
        (other.CrashesLoading, r"crashed inside the vendor's library \(SIGABRT\)"),
        (other.OutOfMemory, "memory runs out"),
        (other.Exits, "ended with exit code 3: no licence found"),
        (other.Raises, "Found trying it failing: RuntimeError: unsupported operator: Warp"),
        (other.WrongLabels, "labelling 0.9.* expected 0.999 or more"),
    ],
)
def test_every_end_of_the_child_is_a_compile_error(
    bundle: Bundle, tmp_path: Path, backend: type[other.Recalling], says: str
) -> None:
    with pytest.raises(CompileError, match=says):
        ask_child(request(bundle, tmp_path, backend), "trying it")


def test_errors_of_ours_keep_their_class_and_hint(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(DependencyError) as caught:
        ask_child(request(bundle, tmp_path, other.NeedsMoreToCompile), "trying it")
    assert caught.value.hint == 'Try: pip install "etc-edge[other]"'
    with pytest.raises(BundleError, match="no bundle"):
        ask_child(
            CompileRequest(str(tmp_path / "absent.etc"), named(other.Recalling), ONE_THREAD, str(tmp_path)), "trying it"
        )


def test_a_child_that_hangs_is_ended(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = tmp_path / "process"
    monkeypatch.setenv("HANGING_PROCESS", str(note))
    with pytest.raises(CompileError, match="still at work after 3 s"):
        ask_child(request(bundle, tmp_path, other.Hangs), "trying it", timeout_s=3)
    assert not is_alive(int(note.read_text()))


def test_the_child_ends_when_its_parent_is_killed(bundle: Bundle, tmp_path: Path) -> None:
    note = tmp_path / "process"
    script = (
        "from etc_edge.backends.base import EngineOptions\n"
        "from etc_edge.backends.process import ask_child\n"
        "from etc_edge.backends.request import CompileRequest\n"
        f"request = CompileRequest({str(bundle.path)!r}, {named(other.Hangs)!r}, EngineOptions(1), {str(tmp_path)!r})\n"
        "ask_child(request, 'trying it')\n"
    )
    environment = {**os.environ, "HANGING_PROCESS": str(note), "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", script], env=environment)
    wait_for(note)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    child = int(note.read_text())
    end = time.monotonic() + 10
    while is_alive(child):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_module_in_the_users_folder_is_not_imported(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('the wrong msgspec')")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "out"
    folder.mkdir()
    ask_child(request(bundle, folder, other.Recalling), "trying it")
    assert (folder / "engine.json").is_file()
