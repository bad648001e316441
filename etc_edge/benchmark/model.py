"""What results say of the model that was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import UNSET, UnsetType

from etc_edge.backends.compiled import Compiled, is_compiled
from etc_edge.core.bundle import Bundle
from etc_edge.core.results import Model
from etc_edge.runtime.segmenter import Segmenter


def described_model(path: Path, segmenter: Segmenter) -> Model:
    """A loaded model: name, hash, size and engine.

    Args:
        path: the bundle or the compiled form that it was loaded from.
        segmenter: what was loaded.
    """
    return described_compiled(path, segmenter.compiled, segmenter.threads)


def described_compiled(path: Path, compiled: Compiled, threads: int) -> Model:
    """The same of a compiled form that is run with so many threads."""
    manifest = compiled.manifest
    recipe: dict[str, Any] | UnsetType = UNSET
    if is_compiled(path):
        model_bytes = sum((path / name).stat().st_size for name in manifest.files)
    else:
        bundle = Bundle.open(path)
        model_bytes = bundle.model_path.stat().st_size
        recipe = dict(bundle.manifest.recipe) or UNSET
    return Model(
        name=manifest.name,
        sha256=manifest.bundle_hash,
        precision=manifest.precision,
        model_bytes=model_bytes,
        target=manifest.backend,
        threads=threads,
        recipe=recipe,
    )
