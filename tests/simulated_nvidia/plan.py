"""A serialised simulated engine."""

from __future__ import annotations

import os

import msgspec

MAGIC = b"SIMULATED TENSORRT ENGINE\n"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the builder leaves for the runtime."""

    version: str
    device: str
    compatible: bool
    graph: bytes
    frame: tuple[str, list[int]]
    labels: tuple[str, list[int]]
    sizes: list[list[int]]
    layers: bytes

    def to_bytes(self) -> bytes:
        """Serialised."""
        return MAGIC + msgspec.msgpack.encode(self)

    @classmethod
    def read(cls, data: bytes) -> Plan | None:
        """A serialised one; None for anything else."""
        if not data.startswith(MAGIC):
            return None
        try:
            return msgspec.msgpack.decode(data[len(MAGIC) :], type=cls)
        except msgspec.DecodeError:
            return None


def device_words() -> str:
    """What an engine is bound to."""
    return os.environ.get("SIMULATED_NVIDIA_GPU", "Simulated GPU")
