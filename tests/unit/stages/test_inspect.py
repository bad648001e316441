from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError
from etc_edge.stages.inspect import inspect
from tests.street_models import float_bundle, int8_bundle


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return float_bundle(tmp_path_factory.mktemp("bundles"), "prelu")


@pytest.fixture(scope="module")
def int8(floating: Bundle) -> Bundle:
    return int8_bundle(floating)


def test_a_float_bundle(floating: Bundle) -> None:
    report = inspect(floating.path)
    # Preprocessing; stem 3→32, body and block 32→32 of 3×3, PReLU, 1×1 to nine logits; half resolution.
    parameters = 12 + (27 * 32 + 32) + 2 * (288 * 32 + 32) + 32 + (32 * 9 + 9)
    places = 16 * 24
    macs = 9 * 32 * 48 + places * (27 * 32 + 2 * 288 * 32 + 32 * 9)
    assert sum(stage.parameters for stage in report.stages) == parameters
    assert sum(stage.macs for stage in report.stages) == macs
    assert report.operators["Conv"] == 5
    assert (report.pairs, report.int8_macs) == (0, None)
    assert [count for _, _, count in report.names] == [
        9 * 32 * 48,
        places * 27 * 32,
        places * 288 * 32,
        places * 288 * 32,
        places * 32 * 9,
    ]
    graph_names = {node.name for node in onnx.load(floating.model_path).graph.node}
    assert {name for name, _, _ in report.names} <= graph_names, "what --keep-float takes"


def test_int8_changes_neither_operators_nor_parameters(floating: Bundle, int8: Bundle) -> None:
    before, after = inspect(floating.path), inspect(int8.path)
    assert after.stages == before.stages
    assert after.operators == before.operators
    assert after.names == before.names
    assert after.int8_macs is not None
    # All but the normalisation of the frame.
    assert after.int8_macs == pytest.approx(1 - 9 * 32 * 48 / sum(stage.macs for stage in after.stages))
    assert after.pairs == 5, "the image, two rectified tensors, the PReLU's input and its result"


def test_a_changed_bundle(int8: Bundle, tmp_path: Path) -> None:
    changed = float_bundle(tmp_path, "relu")
    changed.model_path.write_bytes(int8.model_path.read_bytes())
    with pytest.raises(BundleError, match="changed"):
        inspect(changed.path)
