"""The rest of a network after a cut computes what the whole network does."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from etc_edge.graph.cut import narrow_cuts, rest_after
from etc_edge.graph.preprocess import FRAME
from tests.quantized_networks import unseen_frame
from tests.small_networks import BLOCKS, deployed, labels_and_logits, run


@pytest.mark.parametrize("block", ["add", "concat", "attention", "resize_nearest"])
def test_every_cut_leads_to_the_same_logits(block: str) -> None:
    assert block in BLOCKS
    model, logits = deployed(block)
    frame = unseen_frame()
    labels, expected = labels_and_logits(model, logits, frame)
    cuts = narrow_cuts(model, logits, 10_000_000)
    assert len(cuts) > 5
    names = sorted({name for cut in cuts for name in cut.tensors})
    copy = type(model)()
    copy.CopyFrom(model)
    copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    alive = dict(zip(names, run(copy, {FRAME: frame[None]}, names), strict=True))
    for cut in cuts:
        rest = rest_after(model, cut, [logits, "labels"])
        found = run(rest, {name: alive[name] for name in cut.tensors}, [logits, "labels"])
        np.testing.assert_array_equal(found[0][0], expected)
        np.testing.assert_array_equal(found[1][0], labels)
    assert len(rest_after(model, cuts[-1], [logits]).graph.node) < len(model.graph.node) / 2


def test_a_cut_keeps_to_its_bytes() -> None:
    model, logits = deployed("add")
    some = narrow_cuts(model, logits, 60_000)
    assert 0 < len(some) < len(narrow_cuts(model, logits, 10_000_000))
    assert narrow_cuts(model, logits, 10) == []
