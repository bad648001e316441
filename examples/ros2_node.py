"""A ROS 2 node: labels of `image` on `labels`, as mono8 with the same header.

python examples/ros2_node.py --ros-args -p model:=NAME.etc -r image:=/camera/image_raw
"""

from __future__ import annotations

import sys
from array import array

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from etc_edge.runtime import Segmenter

# Where red, green and blue lie among the bytes of a pixel, by the encodings of sensor_msgs.
CHANNELS = {"rgb8": (3, [0, 1, 2]), "bgr8": (3, [2, 1, 0]), "rgba8": (4, [0, 1, 2]), "bgra8": (4, [2, 1, 0])}


class SegmentationNode(Node):
    """Subscribes as to a sensor: a message that comes while the network works takes the place of one that waits."""

    def __init__(self) -> None:
        super().__init__("segmentation")
        self.segmenter = Segmenter.load(self.declare_parameter("model", "").value)
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.publisher = self.create_publisher(Image, "labels", newest)
        self.create_subscription(Image, "image", self.label, newest)

    def label(self, image: Image) -> None:
        """Publish the labels of one message."""
        if image.encoding not in CHANNELS:
            self.get_logger().error(f"Found the encoding {image.encoding}, expected one of {', '.join(CHANNELS)}.")
            return
        channels, rgb = CHANNELS[image.encoding]
        # A row may be longer than its pixels.
        rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)[:, : image.width * channels]
        labels = self.segmenter(np.ascontiguousarray(rows.reshape(image.height, image.width, channels)[..., rgb]))
        answer = Image(header=image.header, height=image.height, width=image.width, encoding="mono8")
        answer.step, answer.data = image.width, array("B", labels.tobytes())
        self.publisher.publish(answer)


def main() -> None:
    """Run until ROS is shut down."""
    rclpy.init(args=sys.argv)
    node = SegmentationNode()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.segmenter.close()
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
