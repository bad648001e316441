"""`--target cpu`: the faster of the CPU's engines, timed once on this machine and remembered."""

from __future__ import annotations

from pathlib import Path

import msgspec

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.cache import cache_folder, cached, lock
from etc_edge.backends.compiled import Compiled
from etc_edge.backends.device import cpu_device
from etc_edge.backends.process import ask_child
from etc_edge.backends.request import TimeRequest
from etc_edge.backends.table import CPU_BACKENDS, load_compiler
from etc_edge.core.atomic import atomic_file
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError, DependencyError, EngineError, EtcEdgeError
from etc_edge.core.hashing import sha256_bytes
from etc_edge.core.progress import Progress, Silent


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was found: median milliseconds of one frame by engine, and why others could not be used."""

    backend: str
    median_ms: dict[str, float] = {}
    failed: dict[str, str] = {}


def choose(
    bundle: Bundle,
    options: EngineOptions,
    progress: Progress | None = None,
    backends: tuple[str, ...] = CPU_BACKENDS,
) -> tuple[Compiled, Choice]:
    """Compile a bundle for each CPU engine, time them in turns, and keep the faster.

    An engine that fails is told to `progress` and left out; what was chosen is read from the cache the next time.

    Raises:
        CompileError: no engine can run the bundle.
        DependencyError: no engine is installed.
    """
    progress = progress or Silent()
    versions = _installed(backends)
    key = [bundle.hash, versions, cpu_device(), msgspec.to_builtins(options)]
    path = cache_folder() / "choices" / f"{sha256_bytes(msgspec.json.encode(key))[:24]}.json"
    with lock(path):
        if remembered := _read(path, versions):
            for backend, reason in remembered.failed.items():
                progress.say(f"{backend} is not used: {reason} Delete {path} to try it again.")
            return cached(bundle, remembered.backend, options, progress), remembered
        usable, failed, missing = _compile_each(bundle, options, progress, list(versions))
        if not usable:
            if missing and not failed:
                raise missing[0]
            reasons = " ".join(f"{backend}: {reason}" for backend, reason in failed.items())
            raise CompileError(f"Found no engine that can run {bundle.name} on this processor. {reasons}")
        chosen = _faster(bundle, usable, failed, progress)
        if not missing:
            _remember(chosen, path, progress)
        return usable[chosen.backend], chosen


def _installed(backends: tuple[str, ...]) -> dict[str, str]:
    versions: dict[str, str] = {}
    for backend in backends:
        try:
            versions[backend] = load_compiler(backend).version()
        except DependencyError:
            continue
    if not versions:
        raise DependencyError(
            f"Found none of the engines {', '.join(backends)}, expected one of them to run on this processor.",
            'Try: pip install "etc-edge[onnxruntime,openvino]"',
        )
    return versions


def _read(path: Path, versions: dict[str, str]) -> Choice | None:
    try:
        choice = msgspec.json.decode(path.read_bytes(), type=Choice)
    except (OSError, msgspec.DecodeError):
        return None
    return choice if choice.backend in versions else None


def _remember(choice: Choice, path: Path, progress: Progress) -> None:
    try:
        with atomic_file(path) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(choice), indent=2))
    except (EtcEdgeError, OSError) as error:
        progress.say(f"The choice of {choice.backend} could not be kept for the next time. {error}")


def _compile_each(
    bundle: Bundle, options: EngineOptions, progress: Progress, backends: list[str]
) -> tuple[dict[str, Compiled], dict[str, str], list[DependencyError]]:
    usable: dict[str, Compiled] = {}
    failed: dict[str, str] = {}
    missing: list[DependencyError] = []
    for backend in backends:
        try:
            usable[backend] = cached(bundle, backend, options, progress)
        except DependencyError as error:
            missing.append(error)
            progress.say(f"{backend} is left out. {error}")
        except (CompileError, EngineError) as error:
            failed[backend] = error.message
            progress.say(f"{backend} is left out. {error.message}")
    return usable, failed, missing


def _faster(bundle: Bundle, usable: dict[str, Compiled], failed: dict[str, str], progress: Progress) -> Choice:
    first = next(iter(usable))
    if len(usable) == 1:
        return Choice(backend=first, failed=failed)
    folders = [str(compiled.path.resolve()) for compiled in usable.values()]
    try:
        times_ms = ask_child(TimeRequest(str(bundle.path.resolve()), folders), f"timing of {' and '.join(usable)}")
    except (CompileError, EngineError) as error:
        progress.say(f"The engines could not be timed, so {first} is taken. {error.message}")
        return Choice(backend=first, failed=failed)
    median_ms = dict(zip(usable, times_ms, strict=True))
    fastest = min(median_ms, key=lambda backend: median_ms[backend])
    figures = ", ".join(f"{backend} {value:.1f} ms" for backend, value in median_ms.items())
    progress.say(f"Timed {bundle.name} here: {figures}. {fastest} is used from now on.")
    return Choice(backend=fastest, median_ms=median_ms, failed=failed)
