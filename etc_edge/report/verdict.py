"""What results mean, in a sentence a question: is the model as accurate, as steady, faster, smaller?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import UNSET, UnsetType

from etc_edge.core.results import Results

Kind = Literal["good", "bad", "open"]


@dataclass(frozen=True)
class Sentence:
    """One finding and whether it is good news."""

    kind: Kind
    text: str


def verdict(results: Results) -> list[Sentence]:
    """Findings about a model against its reference, the drops first; empty where there is no reference."""
    reference = results.reference
    if isinstance(reference, UnsetType):
        return []
    found = [
        _drop(results, "miou", "Accuracy", "mIoU"),
        _drop(results, "tc", "Steadiness", "tc"),
        _flicker(results),
        _speed(results, reference),
        _size(results, reference),
    ]
    return [sentence for sentence in found if sentence is not None]


def _drop(results: Results, name: str, subject: str, figure: str) -> Sentence | None:
    drop = UNSET if isinstance(results.drop, UnsetType) else getattr(results.drop, name)
    if isinstance(drop, UnsetType):
        return None
    points = f"{figure} {-drop * 100:+.2f} points"
    ends = _interval(results, f"drop.{name}")
    if ends is None:
        return Sentence("open", f"{subject}: {points} against the reference; too few frames to tell it from noise.")
    low, high = ends
    interval = f"95 % interval {-high * 100:+.2f} to {-low * 100:+.2f}"
    if low > 0:
        return Sentence("bad", f"{subject} was lost: {points} ({interval}).")
    if high < 0:
        return Sentence("good", f"{subject} was gained: {points} ({interval}).")
    return Sentence(
        "good" if high <= 0.01 else "open",
        f"{subject}: no loss that these frames could show, {points} ({interval}; at most {high * 100:.2f} lost).",
    )


def _flicker(results: Results) -> Sentence | None:
    drop = UNSET if isinstance(results.drop, UnsetType) else results.drop.flicker
    ends = _interval(results, "drop.flicker")
    if isinstance(drop, UnsetType) or ends is None or ends[0] <= 0 <= ends[1]:
        return None
    more = drop < 0
    text = f"{'More' if more else 'Less'} flicker: {-drop * 100:+.2f} points of the pixels that do not change looks."
    return Sentence("bad" if more else "good", text)


def _speed(results: Results, reference: Results) -> Sentence | None:
    ours, theirs = results.latency_ms, reference.latency_ms
    if isinstance(ours, UnsetType) or isinstance(theirs, UnsetType) or not ours.p50:
        return None
    ratio = theirs.p50 / ours.p50
    text = f"{ours.p50:.1f} ms a frame at the median against {theirs.p50:.1f} ms"
    if abs(ratio - 1) < 0.05:
        return Sentence("open", f"About as fast as the reference: {text}.")
    if ratio < 1:
        return Sentence("bad", f"×{1 / ratio:.2f} slower: {text}.")
    return Sentence("good", f"×{ratio:.2f} faster: {text}.")


def _size(results: Results, reference: Results) -> Sentence | None:
    ours, theirs = results.bundle.model_bytes, reference.bundle.model_bytes
    if not ours or ours >= theirs:
        return None
    return Sentence("good", f"×{theirs / ours:.2f} smaller: {ours / 1e6:.2f} MB against {theirs / 1e6:.2f} MB.")


def _interval(results: Results, path: str) -> tuple[float, float] | None:
    return None if isinstance(results.intervals, UnsetType) else results.intervals.get(path)
