"""See the package."""

from __future__ import annotations


class ExternalShutdownException(Exception):
    """ROS was shut down from outside."""
