from __future__ import annotations

from typing import Any

import pytest

from etc_edge.core.errors import BundleError
from etc_edge.core.preprocessing import Preprocessing

GIVEN = Preprocessing((360, 480), (1.5, 2.5, 3.5), (4.0, 5.0, 6.0), "bgr")


def test_plain_data_comes_back() -> None:
    assert Preprocessing.from_dict(GIVEN.to_dict()) == GIVEN


def test_the_default_is_imagenets() -> None:
    # (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) of torchvision's models, times 255.
    default = Preprocessing((1, 1))
    assert default.mean_rgb == pytest.approx((0.485 * 255, 0.456 * 255, 0.406 * 255))
    assert default.std_rgb == pytest.approx((0.229 * 255, 0.224 * 255, 0.225 * 255))


@pytest.mark.parametrize(
    "change",
    [
        {"size_hw": [0, 4]},
        {"size_hw": [4, 20000]},
        {"size_hw": [4]},
        {"size_hw": "four"},
        {"mean_rgb": [1, 2]},
        {"mean_rgb": [1, 2, float("nan")]},
        {"std_rgb": [1, 2, 0]},
        {"std_rgb": [1, 2, -1]},
        {"std_rgb": [1, 2, float("inf")]},
        {"color": "yuv"},
        {"color": None},
    ],
)
def test_what_is_no_preprocessing(change: dict[str, Any]) -> None:
    with pytest.raises(BundleError):
        Preprocessing.from_dict({**GIVEN.to_dict(), **change})
    (key,) = change
    with pytest.raises(BundleError, match=key):
        Preprocessing.from_dict({name: value for name, value in GIVEN.to_dict().items() if name != key})
