from __future__ import annotations

from pathlib import Path

from etc_edge.core.hashing import sha256_bytes, sha256_file

# The examples of FIPS 180-2, appendices B.1 and B.3.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
MILLION_A = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"


def test_the_standards_examples(tmp_path: Path) -> None:
    assert sha256_bytes(b"abc") == ABC
    (tmp_path / "file").write_bytes(b"a" * 1_000_000)
    assert sha256_file(tmp_path / "file") == MILLION_A


def test_a_file_of_several_pieces(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(data)
    assert sha256_file(tmp_path / "file") == sha256_bytes(data)
