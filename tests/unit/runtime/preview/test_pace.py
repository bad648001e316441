"""Work that takes no more than its share of a core."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.runtime.preview.pace import Pace


@given(st.lists(st.floats(1e-4, 0.2), min_size=2, max_size=50), st.floats(0.01, 0.5))
def test_it_takes_no_more_than_its_share(costs_s: list[float], share: float) -> None:
    pace, now_s, spent_s = Pace(share), 100.0, 0.0
    for cost_s in costs_s:
        now_s += pace.wait_s(now_s)
        pace.took(now_s, cost_s)
        now_s += cost_s
        spent_s += cost_s
    now_s += pace.wait_s(now_s)
    assert spent_s <= share * (now_s - 100.0) * (1 + 1e-6) or spent_s == pytest.approx(share * (now_s - 100.0))


def test_cheap_work_is_done_no_more_often_than_useful() -> None:
    pace = Pace(0.5, 0.1)
    assert pace.wait_s(5.0) == 0
    pace.took(5.0, 0.001)
    assert pace.wait_s(5.0) == pytest.approx(0.1)
    # A frame that comes a little late does not put off those behind it.
    pace.took(5.13, 0.001)
    assert pace.wait_s(5.13) == pytest.approx(0.07)
