from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from etc_edge.core.errors import GraphError
from etc_edge.graph.load import OPSET, at_opset, check_model, copy_model, load_model, rename_tensor, to_bytes
from tests.small_networks import Builder, network, run


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return network("relu")


def test_a_written_model_is_read(model: onnx.ModelProto, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(to_bytes(model))
    assert load_model(tmp_path / "model.onnx") == model
    assert to_bytes(model) == to_bytes(copy_model(model))


def test_weights_in_a_file_of_their_own(model: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(copy_model(model), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    loaded = load_model(path)
    image = {"image": np.ones((1, 3, 32, 48), np.float32)}
    output = [model.graph.output[0].name]
    assert np.array_equal(run(loaded, image, output)[0], run(model, image, output)[0])
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(GraphError, match="cannot be read as ONNX"):
        load_model(path)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99, 0.9999])
def test_a_truncated_file(model: onnx.ModelProto, part: float, tmp_path: Path) -> None:
    data = to_bytes(model)
    (tmp_path / "model.onnx").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(GraphError, match=r"model\.onnx") as error:
        load_model(tmp_path / "model.onnx")
    assert error.value.hint is not None


@pytest.mark.parametrize(
    "data", [b"", b"no graph at all", bytes(range(256)) * 9, b"\x89PNG\r\n\x1a\n" + b"\0" * 99, b"{}"]
)
def test_a_file_of_another_kind(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(GraphError, match=r"Found"):
        load_model(tmp_path / "model.onnx")


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(GraphError, match="Found no ONNX file at"):
            load_model(path)


def test_a_graph_that_is_not_valid(model: onnx.ModelProto) -> None:
    broken = copy_model(model)
    broken.graph.node[2].input[0] = "nobody makes this"
    with pytest.raises(GraphError, match="Found an invalid ONNX graph in here"):
        check_model(broken, "here")


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 18, 21])
def test_older_opsets_are_brought_up_and_compute_the_same(opset: int) -> None:
    build = Builder()
    out = build.node("Relu", build.batch_norm(build.conv("image", stride=2)))
    out = build.node("Add", out, build.node("Sigmoid", build.conv(out)))
    model = build.model(build.conv(out, 5, kernel=1), opset=opset)
    raised = at_opset(model)
    assert raised.opset_import[0].version == max(opset, OPSET)
    image = {"image": np.random.default_rng(0).normal(size=(1, 3, 32, 48)).astype(np.float32)}
    output = [model.graph.output[0].name]
    assert np.array_equal(run(raised, image, output)[0], run(model, image, output)[0])


@pytest.mark.parametrize("opset", [9, 10])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_resizing_in_old_files_keeps_its_sampling(opset: int, mode: str) -> None:
    build = Builder()
    kind = "Upsample" if opset == 9 else "Resize"
    output = build.node(kind, build.conv("image"), build.constant([1, 1, 2.5, 1.5]), mode=mode)
    model = build.model(output, None, opset=opset)
    image = {"image": np.random.default_rng(0).normal(size=(1, 3, 32, 48)).astype(np.float32)}
    assert np.allclose(run(at_opset(model), image, [output])[0], run(model, image, [output])[0], atol=1e-6)


def test_an_operator_that_no_converter_knows() -> None:
    build = Builder()
    model = build.model(build.node("NoSuchOperator", "image"), None, opset=9)
    with pytest.raises(GraphError, match="Found ONNX opset 9, which cannot be converted to 17") as error:
        at_opset(model)
    assert error.value.hint is not None


def test_a_tensor_gets_another_name_everywhere(model: onnx.ModelProto) -> None:
    renamed = copy_model(model)
    for name in ("image", "conv_2_out", model.graph.output[0].name, model.graph.initializer[0].name):
        rename_tensor(renamed, name, f"{name}_renamed")
    check_model(renamed, "renamed")
    image = np.random.default_rng(0).normal(size=(1, 3, 32, 48)).astype(np.float32)
    output = model.graph.output[0].name
    (found,) = run(renamed, {"image_renamed": image}, [f"{output}_renamed"])
    assert np.array_equal(found, run(model, {"image": image}, [output])[0])
