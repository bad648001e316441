"""Probes against the tensors themselves."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from etc_edge.core.errors import GraphError
from etc_edge.graph.load import copy_model
from etc_edge.graph.probe import add_probes
from tests.small_networks import BLOCKS, deployed, frames, run


def activations(model: onnx.ModelProto) -> list[str]:
    """Every float tensor that nodes between the preprocessing and the head make."""
    names = [name for node in model.graph.node for name in node.output]
    return names[names.index("image") : names.index("best_class")]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("sample_size", [100, 10**6])
def test_extremes_are_exact_and_samples_are_values(block: str, sample_size: int) -> None:
    model, _ = deployed(block)
    names = activations(model)
    probed, probes = add_probes(model, names, sample_size)
    everything = copy_model(model)
    everything.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    (frame,) = frames(1)
    feeds = {"frame": frame[None]}
    tensors = dict(zip(names, run(everything, feeds, names), strict=True))
    wanted = [name for probe in probes for name in (probe.minimum, probe.maximum, probe.sample) if name]
    found = dict(zip(wanted, run(probed, feeds, wanted), strict=True))
    assert [probe.tensor for probe in probes] == names
    for probe in probes:
        tensor = tensors[probe.tensor]
        assert found[probe.maximum] == tensor.max()
        assert (tensor.min() >= 0) if probe.minimum is None else (found[probe.minimum] == tensor.min())
        sample = found[probe.sample]
        assert np.isin(sample, tensor).all()
        if sample_size >= tensor.size:
            assert np.array_equal(np.sort(sample), np.sort(tensor.ravel()))
        elif tensor.ndim == 4:
            # A row and a column more than asked for, where the step does not divide the size.
            assert sample_size / 8 <= sample.size <= sample_size * 2 or sample.size <= tensor.shape[1]
    assert found_no_change(model, probed, feeds)


def found_no_change(model: onnx.ModelProto, probed: onnx.ModelProto, feeds: dict[str, object]) -> bool:
    return np.array_equal(run(model, feeds, ["labels"])[0], run(probed, feeds, ["labels"])[0])


def test_a_tensor_without_a_static_shape() -> None:
    model = copy_model(deployed("relu")[0])
    with pytest.raises(GraphError, match="without a static shape"):
        add_probes(model, ["nobody"], 10)
