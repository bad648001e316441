"""Compiled forms kept in the user's cache, keyed by what they were made from and for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import msgspec

from etc_edge import __version__
from etc_edge.backends.base import EngineOptions
from etc_edge.backends.cache_folder import cache_folder as cache_folder
from etc_edge.backends.code_digest import code_digest
from etc_edge.backends.compiled import Compiled, is_compiled
from etc_edge.backends.process import CHILD_TIMEOUT_S, ask_child
from etc_edge.backends.request import CompileRequest
from etc_edge.backends.table import load_compiler
from etc_edge.core.atomic import atomic_directory
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EngineError, EtcEdgeError
from etc_edge.core.hashing import sha256_bytes
from etc_edge.core.progress import Progress, Silent


def compile_into(
    folder: Path,
    bundle: Bundle,
    backend: str,
    options: EngineOptions,
    timeout_s: float = CHILD_TIMEOUT_S,
    progress: Progress | None = None,
) -> Compiled:
    """Compile a bundle in a child process, try it there, and put the result in place when all went well.

    Args:
        folder: the compiled form's place.
        bundle: what to compile.
        backend: a row of the backend table.
        options: the user's choices.
        timeout_s: seconds after which the child is ended.
        progress: told how far the compiler is, where it says.

    Raises:
        CompileError: the compiler refused, crashed or hung, or its engine does not pass the bundle's self-test.
        BundleError: a file of the bundle changed.
        EtcEdgeError: the disk is full or the folder cannot be written.
    """
    bundle.verify()
    doing = f"{backend} {load_compiler(backend).version()} compiling {bundle.name}"
    with atomic_directory(folder) as unfinished:
        request = CompileRequest(str(bundle.path.resolve()), backend, options, str(unfinished.resolve()))
        ask_child(request, doing, timeout_s, progress)
        made = Compiled.open(unfinished)
        # Before it is in place, where another process may load it.
        made.trust()
    return Compiled.open(folder)


def cached(
    bundle: Bundle,
    backend: str,
    options: EngineOptions,
    progress: Progress | None = None,
    timeout_s: float = CHILD_TIMEOUT_S,
) -> Compiled:
    """The compiled form of a bundle for this device, from the cache or made now.

    A damaged entry is made again, and so is one of another version, device or lowering: `progress` is told why.
    Processes that want the same entry wait for the first.

    Raises:
        EtcEdgeError: as `compile_into`.
    """
    progress = progress or Silent()
    folder = cache_folder() / "engines" / entry_name(bundle, backend, options)
    with lock(folder):
        if folder.exists():
            try:
                found = Compiled.open(folder)
                _check_key(found, bundle, backend, options)
                found.verify()
                return found
            except EngineError as error:
                progress.say(f"The cached engine cannot be used and is made again. {error.message}")
                shutil.rmtree(folder, ignore_errors=True)
        check_writable()
        for reason in _stale(folder, bundle, backend, options):
            progress.say(f"The engine in the cache cannot be used and is made again. {reason}")
        progress.say(f"Compiling {bundle.name} for {backend}; it is kept in {folder}.")
        return compile_into(folder, bundle, backend, options, timeout_s, progress)


def copy_out(compiled: Compiled, folder: Path) -> Compiled:
    """Copy a compiled form to a folder of the user's, whole or not at all.

    Raises:
        EtcEdgeError: something that is no compiled form stands there, or the disk is full.
    """
    check_engine_path(folder)
    with atomic_directory(folder) as unfinished:
        shutil.copytree(compiled.path, unfinished, dirs_exist_ok=True)
    return Compiled.open(folder)


def check_engine_path(folder: Path) -> None:
    """Refuse a place for a compiled form early, before long work.

    Raises:
        EtcEdgeError: something that is no compiled form stands there.
    """
    if folder.is_file() or (folder.is_dir() and not is_compiled(folder) and any(folder.iterdir())):
        raise EtcEdgeError(
            f"Found {folder}, which is no compiled engine and would be overwritten.", "Choose another --out."
        )


def _stale(folder: Path, bundle: Bundle, backend: str, options: EngineOptions) -> Iterator[str]:
    """Why the newest other entry for the same bundle and options is of no use here; nothing where there is none."""
    stem = folder.name.rpartition("-")[0]
    others = [path for path in folder.parent.glob(f"{stem}-*") if path != folder and is_compiled(path)]
    for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            found = Compiled.open(path)
            _check_key(found, bundle, backend, options)
        except EngineError:
            continue
        compiler = load_compiler(backend)
        for what, was, now in (
            ("by", f"{backend} {found.manifest.backend_version}", f"{backend} {compiler.version()}"),
            ("for", found.manifest.device, compiler.device()),
        ):
            if was != now:
                yield f"It was made {what} {was}; here is {now}."
        if found.manifest.code != code_digest(backend):
            yield f"It was made by other code of etc-edge, which lowers graphs for {backend} in another way."
        return


def entry_name(bundle: Bundle, backend: str, options: EngineOptions) -> str:
    """Name of a cache entry: readable in front, then a digest of everything that the compiled form depends on."""
    compiler = load_compiler(backend)
    # Our own version and code as well: how a graph is lowered for an engine changes with them.
    ours = [__version__, code_digest(backend)]
    key = [*ours, bundle.hash, backend, compiler.version(), compiler.device(), msgspec.to_builtins(options)]
    readable = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in f"{bundle.name}-{backend}")
    return f"{readable[:80]}-{sha256_bytes(msgspec.json.encode(key))[:16]}"


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a lock named after a path, across processes; the system frees it if this one dies.

    In a cache that cannot be written nothing changes, so there it is no lock at all.
    """
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(f".{path.name}.lock").open("w")
    except OSError:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_writable() -> None:
    """Refuse a cache that cannot be written, before something is compiled for it.

    Raises:
        EtcEdgeError: naming the cache and how to choose another.
    """
    folder = cache_folder() / "engines"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise EtcEdgeError(
            f"Found the cache {cache_folder()}, which cannot be written ({error.strerror}).",
            "Set ETC_EDGE_CACHE to a folder that can.",
        ) from error


def _check_key(found: Compiled, bundle: Bundle, backend: str, options: EngineOptions) -> None:
    manifest = found.manifest
    key = (manifest.bundle_hash, manifest.backend, found.options)
    if key != (bundle.hash, backend, options):
        raise EngineError(f"Found an engine for another bundle or other options in {found.path}.")
