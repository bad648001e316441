"""Check that a bundle is whole and that an engine here gives the labels that it states."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etc_edge.backends.compiled import SELFTEST_AGREEMENT
from etc_edge.backends.targets import CPU
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EngineError
from etc_edge.core.progress import Progress
from etc_edge.metrics.agreement import Agreement
from etc_edge.runtime.segmenter import Segmenter


@dataclass(frozen=True)
class VerifyReport:
    """The bundle's files are as recorded; `agreement` is the share of self-test pixels with the stated label."""

    bundle: Bundle
    backend: str
    agreement: float


def verify(path: Path, target: str = CPU, progress: Progress | None = None) -> VerifyReport:
    """Compare every file with its hash, and the labels of the self-test with those of an engine.

    Raises:
        BundleError: a file is missing or changed.
        EngineError: too many labels differ.
    """
    bundle = Bundle.open(path)
    bundle.verify()
    selftest, agreement = bundle.selftest(), Agreement()
    with Segmenter.load(bundle, target, progress=progress) as segmenter:
        for frame, labels in zip(selftest.frames, selftest.labels, strict=True):
            agreement.update(segmenter(frame), labels)
        backend = segmenter.compiled.manifest.backend
    share, least = agreement.compute(), SELFTEST_AGREEMENT[bundle.precision]
    if share < least:
        raise EngineError(
            f"Found {share:.4f} of the self-test's labels on {backend}, expected at least {least}.",
            "Compile anew after an update of the engine's runtime, or use another --target.",
        )
    return VerifyReport(bundle, backend, share)
