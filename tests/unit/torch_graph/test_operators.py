"""Every operator against the ONNX project's own node tests (`onnx.backend.test`)."""

from __future__ import annotations

import warnings
from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from etc_edge.core.errors import GraphError
from etc_edge.graph.load import copy_model
from etc_edge.torch_graph.graph import TorchGraph
from etc_edge.torch_graph.operators.table import OPERATORS

# Types that graphs of ours hold. Cases with others (8-bit floats, 4-bit integers, strings, lists) are left out.
TYPES = {"float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool"}

DILATED = "averages over dilated windows"
LAST = "the last of several largest classes; labels heads take the first"
BLOCKED = "scales by blocks of an axis, which no INT8 engine has"
KEPT_RATIO = "sizes that are not meant"
CROPPED = "crops as it resizes"
ANTIALIASED = "antialiasing, which no INT8 engine has"
UNEVEN = "scales that give no whole size, of which engines make different ones"
CUBIC = "cubic as torch does not have it"

REFUSED = {
    **{
        f"test_argmax_{kind}_{values}_select_last_index": LAST
        for kind in ("no_keepdims", "keepdims", "default_axis", "negative_axis_keepdims")
        for values in ("example", "random")
    },
    "test_averagepool_2d_dilations": DILATED,
    "test_averagepool_3d_dilations_small": DILATED,
    **{
        f"test_averagepool_3d_dilations_large_count_include_pad_is_{counted}_ceil_mode_is_{ceil}": DILATED
        for counted in (0, 1)
        for ceil in (True, False)
    },
    "test_batchnorm_example_training_mode": "statistics that change as it runs",
    "test_batchnorm_epsilon_training_mode": "statistics that change as it runs",
    "test_dequantizelinear_blocked": BLOCKED,
    "test_quantizelinear_blocked_asymmetric": BLOCKED,
    "test_quantizelinear_blocked_symmetric": BLOCKED,
    "test_maxpool_with_argmax_2d_precomputed_pads": "gives the places of the maxima",
    "test_maxpool_with_argmax_2d_precomputed_strides": "gives the places of the maxima",
    "test_reduce_max_empty_set": "reduces nothing",
    "test_reduce_max_empty_set_bool": "reduces nothing",
    "test_reduce_min_empty_set": "reduces nothing",
    "test_reduce_sum_empty_set": "reduces nothing",
    "test_reduce_sum_empty_set_non_reduced_axis_zero": "reduces nothing",
    "test_resize_downsample_scales_linear_align_corners": UNEVEN,
    "test_resize_downsample_scales_cubic": UNEVEN,
    "test_resize_downsample_scales_cubic_align_corners": UNEVEN,
    "test_resize_upsample_scales_cubic_A_n0p5_exclude_outside": CUBIC,
    "test_resize_downsample_scales_cubic_A_n0p5_exclude_outside": CUBIC,
    "test_resize_upsample_scales_cubic_asymmetric": CUBIC,
    **{
        f"test_resize_downsample_{given}_{mode}_antialias": ANTIALIASED
        for given in ("scales", "sizes")
        for mode in ("linear", "cubic")
    },
    **{
        f"test_resize_tf_crop_and_resize{kind}": CROPPED
        for kind in ("", "_extrapolation_value", "_axes_2_3", "_axes_3_2")
    },
    **{
        f"test_resize_{direction}_sizes_nearest_not_{policy}": KEPT_RATIO
        for direction in ("upsample", "downsample")
        for policy in ("larger", "smaller")
    },
}
"""Cases that are refused before anything runs, and what is special about them."""


@cache
def cases() -> dict[str, list[Any]]:
    """The node tests of one node and of types that we have, by operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the ONNX project's own code divides by zero on purpose
        from onnx.backend.test.loader import load_model_tests

        found = load_model_tests(kind="node")
    by_operator = defaultdict(list)
    for case in found:
        if len(case.model.graph.node) == 1 and all(array(value) is not None for value in values(case)):
            by_operator[case.model.graph.node[0].op_type].append(case)
    return by_operator


def values(case: Any) -> list[Any]:
    inputs, outputs = case.data_sets[0]
    return [*inputs, *outputs]


def array(value: Any) -> Any:
    """A value as an array of a type that we have, or None."""
    if isinstance(value, onnx.TensorProto):
        value = numpy_helper.to_array(value)
    return value if isinstance(value, (np.ndarray, np.generic)) and value.dtype.name in TYPES else None


def bound(case: Any) -> onnx.ModelProto:
    """The case's model with its first input left and the others as constants, which they are in networks."""
    model = copy_model(case.model)
    inputs = [array(value) for value in case.data_sets[0][0]]
    for info, value in zip(list(model.graph.input)[1:], inputs[1:], strict=True):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), info.name))
    return model


@pytest.mark.parametrize("op_type", OPERATORS.names())
def test_an_operator_does_what_onnx_says(op_type: str) -> None:
    tested = 0
    for case in cases()[op_type]:
        model, (inputs, expected) = bound(case), case.data_sets[0]
        wanted = {f"output_{number}": info.name for number, info in enumerate(model.graph.output)}
        if case.name in REFUSED:
            with pytest.raises(GraphError, match=f"torch cannot run here: {op_type} "):
                TorchGraph(model, **wanted)
            continue
        with torch.no_grad():
            found = TorchGraph(model, **wanted)(torch.from_numpy(np.array(array(inputs[0]))))
        for key, value in zip(wanted, expected, strict=True):
            right = np.asarray(array(value))
            assert found[key].numpy().dtype == right.dtype, case.name
            np.testing.assert_allclose(found[key].numpy(), right, case.rtol, case.atol, err_msg=case.name)
        tested += 1
    assert tested > 0


def test_every_refused_case_is_one_that_there_is() -> None:
    """A name that ONNX no longer has would hide nothing, and one that it has anew would fail above."""
    names = {case.name for op_type in OPERATORS.names() for case in cases()[op_type]}
    assert set(REFUSED) <= names
