"""What a group costs, against the same graph run whole and measured by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from etc_edge.backends.device import lowering_here
from etc_edge.core.sensitivity import GroupCost
from etc_edge.data.clip import Clip
from etc_edge.data.dataset import open_dataset
from etc_edge.data.neighbours import pick_neighbours
from etc_edge.flow.base import open_flow
from etc_edge.frames.preprocess import fit_frame, fit_labels
from etc_edge.graph.lower import lower
from etc_edge.metrics.examination import Examination, prepare
from etc_edge.quantization import sensitivity
from etc_edge.quantization.calibrate import choose_ranges, observe
from etc_edge.quantization.groups import groups_of
from etc_edge.quantization.observers.minmax import minmax
from etc_edge.quantization.placement import place
from etc_edge.quantization.ranges import Ranges
from etc_edge.quantization.sensitivity import Network, Variant, costs
from tests.small_networks import SIZE_HW, deployed, frames, labels_and_logits

STREET = "synthetic:street?size=64x96&frames=3&train=2&val=1"


def small(block: str) -> tuple[Network, list[Variant]]:
    model, logits = deployed(block)
    placement = place(model, logits)
    names = [name for name in placement.tensors if name not in placement.shared]
    spans = choose_ranges(observe(model, names, frames(3), threads=1), placement, minmax, "affine")
    ranges = Ranges(graph="", scheme="affine", observer="minmax", data={}, weights="tensor", tensors=spans)
    variants = [Variant(group.name, frozenset(group.nodes)) for group in groups_of(model, placement, logits)]
    return Network(model, logits, SIZE_HW, ranges), [*variants, Variant("all", frozenset(placement.int8_nodes))]


@pytest.fixture(scope="module")
def examination() -> Examination:
    dataset = open_dataset(STREET)
    picked: list[Clip] = pick_neighbours(dataset.clips("train"), 6, 1)[0]
    # The networks know five classes; their labels are of no use as predictions, but they can be counted.
    return prepare(picked, dataset.label_set, open_flow("dis-fast"))


def by_hand(network: Network, variant: Variant, examination: Examination) -> tuple[float, float]:
    """Logits' SNR and agreement, of the graph run from its frames."""
    graph = lower(network.quantized(network.model, variant.nodes), lowering_here("onnxruntime"))
    signal = noise = same = pixels = 0.0
    for shot in examination.shots:
        frame = fit_frame(shot.image_rgb, SIZE_HW)
        labels, logits = labels_and_logits(network.model, network.logits, frame)
        other, found = labels_and_logits(graph, network.logits, frame, optimized=True)
        signal += float((logits.astype(np.float64) ** 2).sum())
        noise += float(((found - logits).astype(np.float64) ** 2).sum())
        full = shot.image_rgb.shape[:2]
        same += np.count_nonzero(fit_labels(labels, full) == fit_labels(other, full))
        pixels += full[0] * full[1]
    return 10 * np.log10(signal / noise), same / pixels


@pytest.mark.parametrize("block", ["add", "resize_nearest"])
def test_costs_are_those_of_the_whole_graph(block: str, examination: Examination) -> None:
    network, variants = small(block)
    found = {cost.name: cost for cost in costs(network, variants, examination, 1)}
    assert list(found) == [variant.name for variant in variants]
    for variant in variants:
        snr_db, agreement = by_hand(network, variant, examination)
        cost = found[variant.name]
        assert cost.snr_db == pytest.approx(snr_db, abs=0.3)
        assert cost.agreement == pytest.approx(agreement, abs=0.002)
        assert None not in (cost.miou, cost.tc, cost.flicker)
    alone = [cost.snr_db for name, cost in found.items() if name != "all" and cost.snr_db is not None]
    assert found["all"].snr_db is not None
    assert found["all"].snr_db < min(alone), "together they cost more than any"


def test_processes_side_by_side_find_the_same(examination: Examination) -> None:
    network, variants = small("add")
    one, two = ({cost.name: cost for cost in costs(network, variants, examination, processes)} for processes in (1, 2))
    assert one == two


def test_what_lies_before_a_group_is_not_run_again(examination: Examination, monkeypatch: pytest.MonkeyPatch) -> None:
    network, variants = small("add")
    nodes: list[int] = []
    session = sensitivity._session

    def counted(model: object) -> object:
        nodes.append(len(model.graph.node))  # type: ignore[attr-defined]
        return session(model)  # type: ignore[arg-type]

    monkeypatch.setattr(sensitivity, "_session", counted)
    found: Iterator[GroupCost] = costs(network, variants[-2:-1], examination, 1)
    assert len(list(found)) == 1
    assert nodes[1] < nodes[0] / 2
