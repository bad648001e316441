from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from etc_edge.core.file_names import as_file_name

names = st.text(st.characters(codec="utf-8"), max_size=40)


@given(names, names)
def test_every_name_is_one_part_of_a_path_and_no_other_s(name: str, other: str) -> None:
    part = as_file_name(name)
    assert PurePosixPath("folder", part).parent == PurePosixPath("folder")
    assert part not in ("", ".", "..")
    assert (part == as_file_name(other)) == (name == other)
