"""A stand-in for ROS 2's rclpy: the few names that our example uses, without ROS behind them.

It shows that the example's own lines run, not that ROS would call them so. Messages come from the file named in
STAND_IN_IMAGES, a JSON list of fields of `Image` with the data in base64; what is published goes to STAND_IN_LABELS.
"""

from __future__ import annotations

import base64
import json
import os
from array import array
from itertools import pairwise
from pathlib import Path

from sensor_msgs.msg import Image

from rclpy.executors import ExternalShutdownException
from rclpy.node import PARAMETERS, Node


def init(args: list[str]) -> None:
    """Keep parameters given as `-p name:=value`."""
    for flag, value in pairwise(args):
        if flag == "-p":
            name, _, text = value.partition(":=")
            PARAMETERS[name] = text


def spin(node: Node) -> None:
    """Deliver every message, then end as ROS does when it is shut down from outside."""
    for fields in json.loads(Path(os.environ["STAND_IN_IMAGES"]).read_text()):
        fields["data"] = array("B", base64.b64decode(fields["data"]))
        node.subscriptions_by_topic["image"](Image(**fields))
    published = [
        {**vars(message), "data": base64.b64encode(message.data).decode()}
        for message in node.publishers_by_topic["labels"].published
    ]
    Path(os.environ["STAND_IN_LABELS"]).write_text(json.dumps(published))
    raise ExternalShutdownException


def try_shutdown() -> None:
    """Nothing to end."""
