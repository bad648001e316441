"""A video of any length from whatever frames there are: forth and back, so that motion stays smooth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from etc_edge.core.progress import Progress, track
from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.frames.source import ASSUMED_FPS, open_source
from etc_edge.frames.video_sink import VideoSink

UInt8 = npt.NDArray[np.uint8]

FRAMES_HELD = 128
"""How many distinct frames a made video has at most; they are held in memory while it is written."""


def footage(source: str, frames: int, out: Path, progress: Progress) -> str:
    """A video file with at least `frames` frames: the source itself, or one that is made from it.

    Args:
        source: a video, a folder of images, or anything else that gives frames.
        frames: how many are needed.
        out: where to write it when it has to be made, H.264 of good quality.
        progress: told of every frame that is written.

    Returns:
        The name of a source.
    """
    with open_source(source) as opened:
        if Path(source).is_file() and (opened.frame_count or 0) >= frames:
            return source
        images = [frame.image_rgb for frame in islice(opened, min(frames, FRAMES_HELD))]
        fps = opened.fps or ASSUMED_FPS
    with VideoSink(out, fps, _picture, preset="veryfast", crf=20) as sink:
        for number, image in enumerate(track(progress, _forth_and_back(images, frames), "making a video", frames)):
            sink.write(SegmentedFrame(Frame(image, number, float(number / fps)), image[..., 0], 0.0))
    return str(out)


def repeated(video: str, frames: int, out: Path) -> str:
    """A video file of `frames` frames or a few more, which shows another video over and over; nothing is encoded again.

    Args:
        video: a file whose frames are evenly spaced and do not refer to what was before its beginning.
        frames: how many are needed.
        out: where to write it.
    """
    with av.open(video) as source, av.open(str(out), "w") as sink:
        given = source.streams.video[0]
        stream = sink.add_stream_from_template(given)
        packets = [packet for packet in source.demux(given) if packet.dts is not None]
        pts = [packet.pts for packet in packets]
        span = (max(pts) - min(pts)) * len(packets) // max(1, len(packets) - 1)
        written = 0
        while written < frames:
            source.seek(0)
            for packet in source.demux(given):
                if packet.dts is None:
                    continue
                packet.pts += written // len(packets) * span
                packet.dts += written // len(packets) * span
                packet.stream = stream
                sink.mux(packet)
            written += len(packets)
    return str(out)


def _picture(result: SegmentedFrame) -> UInt8:
    return result.frame.image_rgb


def _forth_and_back(images: list[UInt8], count: int) -> Iterator[UInt8]:
    last = max(1, len(images) - 1)
    for number in range(count):
        place = number % (2 * last)
        yield images[min(place, 2 * last - place, len(images) - 1)]
