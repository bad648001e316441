"""See the package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rclpy.qos import QoSProfile

PARAMETERS: dict[str, str] = {}


@dataclass
class Parameter:
    """A value that was given to a node."""

    value: Any


@dataclass
class Publisher:
    """Keeps what is published."""

    kind: type
    published: list[Any] = field(default_factory=list)

    def publish(self, message: Any) -> None:
        """As ROS, take only messages of the topic's kind."""
        assert isinstance(message, self.kind)
        self.published.append(message)


class Logger:
    """Writes to standard error, as ROS does."""

    def error(self, message: str) -> None:
        """One line."""
        sys.stderr.write(f"[ERROR] {message}\n")


class Node:
    """Topics by name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.publishers_by_topic: dict[str, Publisher] = {}
        self.subscriptions_by_topic: dict[str, Callable[[Any], None]] = {}

    def declare_parameter(self, name: str, value: str) -> Parameter:
        """The value given on the command line, else this one."""
        return Parameter(PARAMETERS.get(name, value))

    def create_publisher(self, kind: type, topic: str, qos: QoSProfile) -> Publisher:
        """A topic to publish on."""
        assert isinstance(qos, QoSProfile)
        return self.publishers_by_topic.setdefault(topic, Publisher(kind))

    def create_subscription(self, kind: type, topic: str, callback: Callable[[Any], None], qos: QoSProfile) -> None:
        """A topic to listen to."""
        assert isinstance(qos, QoSProfile)
        self.subscriptions_by_topic[topic] = callback

    def get_logger(self) -> Logger:
        """Where to complain."""
        return Logger()

    def destroy_node(self) -> None:
        """Nothing to free."""
