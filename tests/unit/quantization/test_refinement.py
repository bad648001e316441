"""Refined ranges, on a network whose best range is known to be far from the one given."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.core.errors import CalibrationError
from etc_edge.core.progress import Silent
from etc_edge.quantization.calibrate import choose_ranges, observe
from etc_edge.quantization.observers.mse import mse
from etc_edge.quantization.placement import Placement, place
from etc_edge.quantization.ranges import TensorRange
from etc_edge.quantization.recipe import RefineRecipe
from etc_edge.quantization.refinement import FACTORS, MOST_STEPS, Candidates, refine
from etc_edge.quantization.steadiness import NeighbourPair, departure
from tests.small_networks import SIZE_HW, deployed, frames

RECIPE = RefineRecipe(steadiness=1.0, pairs=4, tensors=3)


def still_pairs(count: int, seed: int = 7) -> list[NeighbourPair]:
    flow, seen = np.zeros((*SIZE_HW, 2), np.float32), np.ones(SIZE_HW, np.bool_)
    random, found = np.random.default_rng(seed), []
    for frame in frames(count, seed):
        noisy = np.clip(frame + random.normal(0, 2, frame.shape).round(), 0, 255).astype(np.uint8)
        found.append(NeighbourPair(np.stack([frame, noisy]), flow, seen))
    return found


def network(block: str = "add") -> tuple[Candidates, Placement, dict[str, TensorRange]]:
    model, logits = deployed(block)
    placement = place(model, logits)
    names = [name for name in placement.tensors if name not in placement.shared]
    ranges = choose_ranges(observe(model, names, frames(4), threads=1), placement, mse, "affine")
    return Candidates(model, logits, placement, "affine", threads=1), placement, ranges


def test_a_range_that_is_far_too_wide_is_found_and_narrowed() -> None:
    candidates, placement, ranges = network()
    name = placement.tensors[2]
    assert name not in placement.shared
    given = ranges[name]
    spoiled = {**ranges, name: TensorRange(12 * given.low, 12 * given.high)}
    pairs = still_pairs(4)
    found = refine(candidates, placement, spoiled, pairs, RECIPE, Silent())
    assert found.tried[0] == name, "it costs most"
    assert found.kept
    assert found.factors[name] == pytest.approx(FACTORS[0] ** MOST_STEPS)
    assert found.ranges[name].high == pytest.approx(12 * given.high * FACTORS[0] ** MOST_STEPS)
    assert found.after.beside(found.before, 1.0) < 2.0
    untouched = set(ranges) - set(found.factors) - set(placement.shared)
    assert all(found.ranges[other] == spoiled[other] for other in untouched)


def test_what_is_told_is_what_the_ranges_give_on_pairs_held_back() -> None:
    candidates, placement, ranges = network()
    pairs = still_pairs(4)
    found = refine(candidates, placement, ranges, pairs, RECIPE, Silent())
    held_back = pairs[1:2]
    expected = candidates.float_logits(held_back)
    before = departure(candidates.errors(ranges, held_back, expected), held_back)
    assert found.before == before
    if found.kept:
        assert departure(candidates.errors(found.ranges, held_back, expected), held_back) == found.after
    else:
        assert found.ranges == ranges


def test_what_does_not_hold_on_pairs_held_back_is_not_kept() -> None:
    candidates, placement, ranges = network()
    pairs = still_pairs(4)
    # Of the pair held back another network is right: whatever is found on the others is wrong there.
    honest = candidates.float_logits

    def pretended(asked: list[NeighbourPair]) -> list[np.ndarray]:  # type: ignore[type-arg]
        own = honest(asked)
        return own if len(asked) > 1 else [candidates.errors(ranges, asked, own)[0] + own[0]]

    spoiled = {**ranges, placement.tensors[2]: replace_range(ranges[placement.tensors[2]], 1.0)}
    candidates.float_logits = pretended  # type: ignore[method-assign, assignment]
    found = refine(candidates, placement, spoiled, pairs, RefineRecipe(steadiness=1.0, tensors=20), Silent())
    assert found.factors, "on the pairs that are searched on something is better"
    assert not found.kept
    assert found.ranges == spoiled


def replace_range(span: TensorRange, factor: float) -> TensorRange:
    return TensorRange(span.low * factor, span.high * factor)


@pytest.mark.parametrize("block", ["resize_nearest", "max_pool"])
def test_tensors_that_share_a_grid_keep_sharing_it(block: str) -> None:
    candidates, placement, ranges = network(block)
    assert placement.shared
    wide = {name: replace_range(span, 8.0) for name, span in ranges.items()}
    found = refine(candidates, placement, wide, still_pairs(3), RefineRecipe(tensors=50), Silent())
    assert found.factors
    assert all(found.ranges[name] == found.ranges[source] for name, source in placement.shared.items())


def test_one_pair_is_too_few() -> None:
    candidates, placement, ranges = network()
    with pytest.raises(CalibrationError, match="expected two or more"):
        refine(candidates, placement, ranges, still_pairs(1), RECIPE, Silent())
