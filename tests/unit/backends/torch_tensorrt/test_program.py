"""What Torch-TensorRT would be given: exported here, run on the CPU beside ONNX Runtime, Q/DQ where TensorRT fuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

torch = pytest.importorskip("torch")

from etc_edge.backends.compiled import SELFTEST_AGREEMENT  # noqa: E402
from etc_edge.backends.onnxruntime.reference import run_reference  # noqa: E402
from etc_edge.backends.torch_tensorrt.program import Body, float_part, make_body  # noqa: E402
from etc_edge.core.bundle import Bundle  # noqa: E402
from etc_edge.core.errors import CompileError  # noqa: E402
from etc_edge.graph.heads import LABELS  # noqa: E402
from etc_edge.graph.load import load_model, to_bytes  # noqa: E402
from etc_edge.graph.lower import lower  # noqa: E402
from etc_edge.graph.preprocess import FRAME  # noqa: E402
from etc_edge.graph.view import GraphView  # noqa: E402
from etc_edge.torch_graph.program import export_program  # noqa: E402
from tests.architecture.package_files import REPOSITORY  # noqa: E402
from tests.exact_networks import with_exact_scales  # noqa: E402
from tests.quantize_operator import registered  # noqa: E402
from tests.symmetric_networks import with_symmetric_grids  # noqa: E402
from tests.tiny_bundle import color_frame, color_network  # noqa: E402

BUNDLES = sorted((REPOSITORY / "zoo").glob("*-int8.etc"))

FUSED = (torch.ops.aten.relu.default, torch.ops.aten.clamp.default, torch.ops.aten.add.Tensor)

UInt8 = npt.NDArray[np.uint8]


@pytest.fixture(params=BUNDLES, ids=[bundle.stem for bundle in BUNDLES], scope="module")
def bundle(request: pytest.FixtureRequest) -> Bundle:
    path: Path = request.param
    return Bundle.open(path)


def exported(model: onnx.ModelProto, frame: UInt8) -> tuple[Body, torch.export.ExportedProgram, UInt8]:
    """The body in 32-bit floats, its program, and the labels that this gives."""
    registered()
    frames = torch.from_numpy(frame[None])
    body = make_body(model, [frames], torch.float32)
    planes = frames.permute(0, 3, 1, 2).float().contiguous()
    program = export_program(body.module, planes)
    with torch.inference_mode():
        labels = program.module()(planes).to(torch.uint8)
    return body, program, labels[0].numpy()


def by_onnx_runtime(model: onnx.ModelProto, frame: UInt8) -> UInt8:
    labels: UInt8 = run_reference(to_bytes(lower(model, "torch_tensorrt")), {FRAME: frame[None]}, [LABELS])[0][0]
    return labels


def test_labels_are_onnx_runtimes_where_sums_are_exact(bundle: Bundle) -> None:
    """Bilinear interpolation is not exact: codes that stand on a half there may differ."""
    model = with_symmetric_grids(with_exact_scales(load_model(bundle.model_path)), powers_of_two=True)
    frame = bundle.selftest().frames[0]
    _, _, labels = exported(model, frame)
    assert len(np.unique(labels)) > 3
    assert np.mean(labels == by_onnx_runtime(model, frame)) >= 0.999


def test_an_affine_bundle_keeps_its_labels_and_gets_its_pairs(bundle: Bundle) -> None:
    model, selftest = load_model(bundle.model_path), bundle.selftest()
    body, program, labels = exported(model, selftest.frames[0])
    assert np.mean(labels == selftest.labels[0]) >= SELFTEST_AGREEMENT["int8"]
    operator = torch.ops.tensorrt.quantize_op.default
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    quantizers = [node for node in nodes if node.target == operator]
    assert len(quantizers) == body.quantized
    for node in quantizers:
        assert node.args[1].op == "placeholder", "amax is a constant"
        assert tuple(node.args[2:]) == (8, 0, False, False)
    view = GraphView(lower(model, "torch_tensorrt"))
    weights = [node.input[1] for node in view.model.graph.node if node.op_type == "Conv"]
    expected = sum(name in view.producer and view.producer[name].op_type == "DequantizeLinear" for name in weights)
    convolutions = [node for node in nodes if node.target == torch.ops.aten.conv2d.default]
    both = [node for node in convolutions if node.args[0].target == operator and node.args[1].target == operator]
    assert len(both) == expected > 20
    for node in both:
        weight, amax = (argument.meta["val"] for argument in node.args[1].args[:2])
        assert amax.shape in ((), (weight.shape[0], 1, 1, 1)), "one scale a channel of axis 0"
        # A convolution, its activation function and its sum with what came another way become one layer.
        after = {user.target for user in node.users}
        assert after <= {operator, *FUSED} or after == {torch.ops.aten.upsample_bilinear2d.vec}, (
            "or it gives the logits"
        )
    for node in nodes:
        if node.target == torch.ops.aten.add.Tensor:
            assert any(argument.target == operator for argument in node.args), "the residual input is quantized"


def test_a_float_graph_is_given_in_half() -> None:
    frame = torch.from_numpy(color_frame(1)[None])
    body = make_body(color_network(), [frame])
    assert (body.quantized, body.left, body.wide) == (0, (), 0)
    planes = frame.permute(0, 3, 1, 2).to(torch.float16)
    program = export_program(body.module, planes)
    types = {value.meta["val"].dtype for value in program.graph.nodes if "val" in value.meta}
    assert torch.float32 not in types


def test_where_floats_begin_and_end() -> None:
    assert float_part(color_network()) == ("float_planes", "best")


def test_a_graph_that_begins_otherwise_is_refused() -> None:
    model = color_network()
    model.graph.node[0].attribute[0].ints[:] = [0, 3, 2, 1]
    with pytest.raises(CompileError, match="expected the frame's transposition and cast"):
        float_part(model)
