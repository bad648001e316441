"""The compiled form: a folder with a vendor's files and `engine.json`, which says what they were made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from etc_edge.backends.base import Build, Engine, EngineOptions
from etc_edge.backends.code_digest import code_digest
from etc_edge.backends.table import load_compiler
from etc_edge.backends.trust import expect_remembered, remember
from etc_edge.core.bundle import Bundle, SelfTest
from etc_edge.core.errors import BundleError, CompileError, EngineError
from etc_edge.core.hashing import sha256_file
from etc_edge.core.labels import LabelSet
from etc_edge.core.preprocessing import Preprocessing

SCHEMA_VERSION = 1
ENGINE = "engine.json"

# Share of the self-test's pixels that an engine must label as the bundle says. In float only the order of sums
# differs between engines. In INT8 each also rounds between layers in its own way, which moves pixels that lie between
# two classes: trained networks were seen at 0.9926 to 0.9987, an engine that computes something else at 0.12.
# In FP16, networks of the zoo were seen at 0.9995 and 0.9999.
SELFTEST_AGREEMENT = {"fp32": 0.999, "fp16": 0.995, "int8": 0.97}


class CompiledManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `engine.json` holds: everything that running needs, so that the bundle may be elsewhere."""

    schema_version: int = SCHEMA_VERSION
    backend: str
    backend_version: str
    code: str = ""
    device: str
    options: dict[str, str | int | bool | None]
    bundle_hash: str
    name: str
    precision: str
    labels: dict[str, Any]
    preprocessing: dict[str, Any]
    files: dict[str, str]
    selftest_agreement: float
    note: str = ""


@dataclass(frozen=True)
class Compiled:
    """An opened compiled form.

    Args:
        path: the folder.
        manifest: its parsed `engine.json`.
    """

    path: Path
    manifest: CompiledManifest

    @classmethod
    def open(cls, path: Path | str) -> Compiled:
        """Read `engine.json`; `verify` checks the files, `load` does both and loads them.

        Raises:
            EngineError: no such folder, no readable manifest, or another schema.
        """
        path = Path(path)
        try:
            manifest = msgspec.json.decode((path / ENGINE).read_bytes(), type=CompiledManifest)
            if manifest.schema_version != SCHEMA_VERSION:
                raise EngineError(
                    f"Found engine schema {manifest.schema_version} in {path}, expected {SCHEMA_VERSION}.",
                    "Compile the bundle again with this version of etc-edge.",
                )
            compiled = cls(path, manifest)
            _ = compiled.labels, compiled.preprocessing, compiled.options
        except OSError as error:
            raise EngineError(
                f"Found no compiled engine at {path}.", "Make one with: etc-edge compile B.etc --target cpu --out DIR"
            ) from error
        except (msgspec.DecodeError, UnicodeDecodeError, BundleError, TypeError) as error:
            raise EngineError(f"Found a damaged {ENGINE} in {path}: {error}.", "Compile the bundle again.") from error
        return compiled

    @cached_property
    def labels(self) -> LabelSet:
        """Classes, colours and void."""
        return LabelSet.from_dict(self.manifest.labels)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """Input size, normalisation and colour order; it is part of the graph already."""
        return Preprocessing.from_dict(self.manifest.preprocessing)

    @cached_property
    def options(self) -> EngineOptions:
        """What it was compiled with."""
        return msgspec.convert(self.manifest.options, EngineOptions)

    def verify(self) -> None:
        """Compare files, vendor version and device with what was recorded when it was compiled.

        Raises:
            EngineError: a file is missing or changed, it was made by another version or for another device, or it is
                code that was made elsewhere.
            DependencyError: the backend is not installed.
        """
        again = "Compile the bundle again."
        compiler = load_compiler(self.manifest.backend)
        for what, recorded, present in (
            (f"by {self.manifest.backend}", self.manifest.backend_version, compiler.version()),
            ("for", self.manifest.device, compiler.device()),
        ):
            if recorded != present:
                raise EngineError(f"Found an engine made {what} {recorded} in {self.path}, expected {present}.", again)
        for name, digest in self.manifest.files.items():
            file = self.path / name
            if Path(name).name != name or not file.is_file():
                raise EngineError(f"Found no file {name!r} in {self.path}, which its {ENGINE} lists.", again)
            found = sha256_file(file)
            if found != digest:
                raise EngineError(
                    f"Found {name} in {self.path} changed: SHA-256 {found[:12]}…, expected {digest[:12]}….", again
                )
        expect_remembered(self.manifest.backend, self.manifest.files, self.path)

    def trust(self) -> None:
        """Let this engine be loaded here although another installation made it, now and from now on."""
        remember(self.manifest.backend, self.manifest.files)

    def load(self, threads: int | None = None) -> Engine:
        """Verify and load the engine.

        Args:
            threads: processor threads of one inference; None takes what it was compiled with.

        Raises:
            EngineError: as `verify`, or the vendor's runtime refused the files.
        """
        self.verify()
        options = self.options if threads is None else replace(self.options, threads=threads)
        engine = load_compiler(self.manifest.backend).load(self.path, options)
        if engine.size_hw != self.preprocessing.size_hw:
            found = engine.size_hw
            engine.close()
            raise EngineError(f"Found an engine for {found} in {self.path}, expected {self.preprocessing.size_hw}.")
        return engine


def compile_here(bundle: Bundle, backend: str, options: EngineOptions, folder: Path) -> None:
    """Compile, load and self-test in this process, and write `engine.json` when all went well.

    Use `cache.compile_into`, which does it in a child process: vendor libraries may crash.

    Args:
        bundle: what to compile.
        backend: a row of the backend table.
        options: the user's choices.
        folder: an existing, empty folder.

    Raises:
        CompileError: the compiler refused the graph, or the engine gives other labels than the bundle states.
    """
    compiler = load_compiler(backend)
    build = compiler.compile(bundle, folder, options) or Build(bundle.precision)
    engine = compiler.load(folder, options)
    try:
        agreement = selftest_agreement(engine, bundle.selftest())
    finally:
        engine.close()
    needed = SELFTEST_AGREEMENT[build.precision]
    if agreement < needed:
        raise CompileError(
            f"Found {backend} {compiler.version()} labelling {agreement:.4f} of the self-test's pixels as "
            f"{bundle.name} states, expected {needed} or more.",
            "Its result would be another network; try another --target.",
        )
    manifest = CompiledManifest(
        backend=backend,
        backend_version=compiler.version(),
        code=code_digest(backend),
        device=compiler.device(),
        options={"threads": options.threads, **options.beyond_threads()},
        bundle_hash=bundle.hash,
        name=bundle.name,
        precision=bundle.precision,
        labels=bundle.labels.to_dict(),
        preprocessing=bundle.preprocessing.to_dict(),
        files={file.name: sha256_file(file) for file in sorted(folder.iterdir())},
        selftest_agreement=agreement,
        note=build.note,
    )
    (folder / ENGINE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def selftest_agreement(engine: Engine, selftest: SelfTest) -> float:
    """Share of the self-test's pixels to which an engine gives the stated label.

    Raises:
        EngineError: the frames do not fit the engine.
    """
    if len(selftest.frames) == 0:
        raise CompileError("Found a self-test without frames, expected one or more.", "Export the bundle again.")
    equal = [
        float(np.mean(engine.run(frame) == labels))
        for frame, labels in zip(selftest.frames, selftest.labels, strict=True)
    ]
    return sum(equal) / len(equal)


def is_compiled(path: Path | str) -> bool:
    """Whether a path looks like a compiled form."""
    return (Path(path) / ENGINE).is_file()
