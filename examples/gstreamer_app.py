"""A GStreamer application: pictures out of one pipeline, the same with their classes drawn over them into another.

python examples/gstreamer_app.py NAME.etc "v4l2src ! videoconvert" "videoconvert ! autovideosink"
"""

from __future__ import annotations

import sys

import gi
import numpy as np

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: F401 - GstApp gives appsink and appsrc their methods

from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.frames.overlay import Overlay
from etc_edge.runtime import Segmenter


def main(model: str, source: str, sink: str) -> None:
    """Run until the source ends; a live one that is faster than the network loses its older pictures."""
    Gst.init(None)
    pictures = Gst.parse_launch(f"{source} ! videoconvert ! video/x-raw,format=RGB ! appsink name=from")
    shown = Gst.parse_launch(f"appsrc name=to format=time block=true ! {sink}")
    taken, given = pictures.get_by_name("from"), shown.get_by_name("to")
    is_live = pictures.set_state(Gst.State.PAUSED) == Gst.StateChangeReturn.NO_PREROLL
    taken.props.max_buffers, taken.props.drop, taken.props.sync = 1, is_live, False
    pictures.set_state(Gst.State.PLAYING)
    count = 0
    with Segmenter.load(model) as segmenter:
        draw = Overlay(segmenter.label_set)
        while (sample := taken.pull_sample()) is not None:
            caps, buffer = sample.get_caps(), sample.get_buffer()
            if count == 0:
                given.props.caps = caps
                shown.set_state(Gst.State.PLAYING)
            shape = caps.get_structure(0)
            height, width = shape.get_value("height"), shape.get_value("width")
            # GStreamer begins every row at a multiple of four bytes.
            step = -(-width * 3 // 4) * 4
            rows = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8).reshape(height, step)
            image = np.ascontiguousarray(rows[:, : width * 3].reshape(height, width, 3))
            segmented = segmenter.segment(image)
            drawn = draw(SegmentedFrame(Frame(image, count, buffer.pts / Gst.SECOND), segmented.labels, 0.0))
            padded = np.zeros((height, step), np.uint8)
            padded[:, : width * 3] = drawn.reshape(height, width * 3)
            answer = Gst.Buffer.new_wrapped(padded.tobytes())
            answer.pts, answer.duration = buffer.pts, buffer.duration
            given.push_buffer(answer)
            count += 1
    given.end_of_stream()
    message = shown.get_bus().timed_pop_filtered(10 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    for pipeline in (pictures, shown):
        pipeline.set_state(Gst.State.NULL)
    if message is None or message.type != Gst.MessageType.EOS:
        sys.exit(f"Found {sink} not ending after {count} pictures.")
    print(f"{count} pictures")


if __name__ == "__main__":
    main(*sys.argv[1:4])
