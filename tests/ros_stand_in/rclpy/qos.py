"""See the package."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ReliabilityPolicy(Enum):
    """Whether messages may be lost."""

    RELIABLE = 1
    BEST_EFFORT = 2


@dataclass
class QoSProfile:
    """How messages are delivered."""

    depth: int
    reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE
