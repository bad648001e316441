"""The released INT8 networks in torch: every operator on ONNX Runtime's values, and the whole where sums are exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from etc_edge.backends.onnxruntime.reference import run_reference
from etc_edge.core.bundle import Bundle
from etc_edge.graph.heads import LABELS, output_logits
from etc_edge.graph.load import copy_model, load_model, to_bytes
from etc_edge.graph.preprocess import FRAME
from etc_edge.graph.qdq import pairs
from etc_edge.graph.view import GraphView
from etc_edge.torch_graph.fake_quantize import ActivationQuantizer
from etc_edge.torch_graph.graph import TorchGraph
from tests.architecture.package_files import REPOSITORY
from tests.exact_networks import with_exact_scales

BUNDLES = sorted((REPOSITORY / "zoo").glob("*-int8.etc"))


@pytest.fixture(params=BUNDLES, ids=[bundle.stem for bundle in BUNDLES])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    path: Path = request.param
    return Bundle.open(path)


def test_every_operator_gives_what_it_gives_in_onnx_runtime(bundle: Bundle) -> None:
    """Each is given ONNX Runtime's values, so that nothing adds up: quantizers must find the same bits."""
    model, frame = load_model(bundle.model_path), bundle.selftest().frames[:1]
    graph = TorchGraph(model, logits=bundle.manifest.logits, labels=LABELS)
    tensors, view = graph._ready(), GraphView(model)
    made = {name for step in graph._steps for name in (*step.inputs, *step.outputs) if name in view.producer}
    wanted = sorted(name for name in made - set(tensors) if view.is_float(name))
    probed = copy_model(model)
    probed.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted)
    theirs: dict[str, Any] = dict(zip(wanted, run_reference(to_bytes(probed), {FRAME: frame}, wanted), strict=True))
    tensors[graph.input] = torch.from_numpy(frame)
    tensors.update((name, torch.from_numpy(value)) for name, value in theirs.items())
    quantizers = 0
    with torch.no_grad():
        for step in graph._steps:
            result = step.run(*(tensors[name] if name else None for name in step.inputs))
            assert isinstance(result, torch.Tensor)
            expected = theirs.get(step.outputs[0])
            if expected is None:
                tensors[step.outputs[0]] = result  # the frame and the labels, which are no floats
            elif isinstance(step.run, ActivationQuantizer):
                assert np.array_equal(result.numpy(), expected), step.outputs[0]
                quantizers += 1
            else:
                np.testing.assert_allclose(
                    result.numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max(), err_msg=step.outputs[0]
                )
    assert quantizers > 40
    (labels,) = run_reference(to_bytes(model), {FRAME: frame}, [LABELS])
    assert np.mean(tensors[LABELS].numpy() == labels) >= 0.9999


def test_the_whole_network_finds_the_same_codes_where_sums_are_exact(bundle: Bundle) -> None:
    """All codes before the first interpolation are the same; from there on, one that stands on a half may not be."""
    logits = bundle.manifest.logits
    model, frame = with_exact_scales(load_model(bundle.model_path)), bundle.selftest().frames[:1]
    names = [pair.dequantize.output[0] for pair in pairs(GraphView(model))]
    wanted = {f"tensor_{number}": name for number, name in enumerate(names)}
    with torch.no_grad():
        found = TorchGraph(model, logits=logits, labels=LABELS, **wanted)(torch.from_numpy(frame))
    probed = output_logits(model, logits)
    probed.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    labels, values, *theirs = run_reference(to_bytes(probed), {FRAME: frame}, [LABELS, logits, *names])
    interpolated = {name for node in model.graph.node if node.op_type == "Resize" for name in node.output}
    for node in model.graph.node:
        if interpolated.intersection(node.input):
            interpolated.update(node.output)
    exact = [number for number, name in enumerate(names) if name not in interpolated]
    assert len(exact) > 30
    assert [names[number] for number in exact if not np.array_equal(found[f"tensor_{number}"], theirs[number])] == []
    assert len(np.unique(labels)) > 3, "it still tells classes apart"
    step = (values.max() - values.min()) / 255
    assert np.mean(np.abs(found["logits"].numpy() - values) <= step) >= 0.9995
    assert np.mean(found["labels"].numpy() == labels) >= 0.9995
