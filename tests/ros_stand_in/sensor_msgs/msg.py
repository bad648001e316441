"""The message that our example uses, with the fields of sensor_msgs/msg/Image."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Image:
    """A picture; `header` is whatever it was given."""

    header: Any = None
    height: int = 0
    width: int = 0
    encoding: str = ""
    is_bigendian: int = 0
    step: int = 0
    data: array[int] = field(default_factory=lambda: array("B"))
