"""Sentences that say no more than the numbers do."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from etc_edge.core.results import Drop, Results
from etc_edge.report.verdict import verdict
from tests.measured_results import fp32, measured

RESULTS = measured(reference=fp32())


def with_drop(drop: float, interval: tuple[float, float] | None) -> Results:
    intervals = UNSET if interval is None else {"drop.miou": interval}
    return msgspec.structs.replace(RESULTS, drop=Drop(miou=drop), intervals=intervals)


@pytest.mark.parametrize(
    ("drop", "interval", "kind", "text"),
    [
        (0.01, (0.004, 0.02), "bad", "Accuracy was lost: mIoU -1.00 points (95 % interval -2.00 to -0.40)."),
        (-0.01, (-0.02, -0.004), "good", "Accuracy was gained: mIoU +1.00 points (95 % interval +0.40 to +2.00)."),
        (0.001, (-0.002, 0.003), "good", "no loss that these frames could show"),
        (0.001, (-0.02, 0.03), "open", "at most 3.00 lost"),
        (0.001, None, "open", "too few frames to tell it from noise"),
    ],
)
def test_a_drop(drop: float, interval: tuple[float, float] | None, kind: str, text: str) -> None:
    first = verdict(with_drop(drop, interval))[0]
    assert first.kind == kind
    assert text in first.text


def test_speed_and_size_are_ratios_to_the_reference() -> None:
    smaller = msgspec.structs.replace(RESULTS, bundle=msgspec.structs.replace(RESULTS.bundle, model_bytes=500))
    texts = [sentence.text for sentence in verdict(smaller)]
    assert any(text.startswith(("×1.9", "×2.0")) and "faster" in text for text in texts)
    assert any(text.startswith("×2.00 smaller") for text in texts)
    slower = verdict(measured(speed_ms=30, reference=fp32()))
    assert [(one.kind, one.text[:4] in ("×1.4", "×1.5")) for one in slower if "slower" in one.text] == [("bad", True)]
    equal = verdict(measured(speed_ms=20, reference=fp32()))
    assert [one.kind for one in equal if "as fast" in one.text] == ["open"]


def test_without_a_reference_there_is_nothing_to_say() -> None:
    assert verdict(measured()) == []
