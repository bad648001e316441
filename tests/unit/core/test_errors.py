from __future__ import annotations

import pickle

import pytest

from etc_edge.core import errors
from etc_edge.core.errors import EtcEdgeError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EtcEdgeError)]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_cross_process_borders_with_their_hint(kind: type[EtcEdgeError]) -> None:
    error = pickle.loads(pickle.dumps(kind("Found 3.", "Try 4.")))
    assert (type(error), error.message, error.hint, error.exit_code) == (kind, "Found 3.", "Try 4.", kind.exit_code)
    assert str(error) == "Found 3. Try 4."
    assert str(kind("Found 3.")) == "Found 3."


def test_the_docstring_draws_every_one() -> None:
    assert errors.__doc__ is not None
    assert [kind.__name__ for kind in KINDS if kind.__name__ not in errors.__doc__] == []
