"""Where frames come from: one protocol, and a table of schemes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeVar

from etc_edge.core.errors import SourceError
from etc_edge.core.table import Table, nearest
from etc_edge.frames.frame import Frame

# Pictures without a rate of their own are taken to follow one another at this one.
ASSUMED_FPS = Fraction(25)

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


SourceT = TypeVar("SourceT", bound="Source")


class Source(Protocol):
    """Frames in order; each iteration over a source that is not live begins anew.

    Attributes:
        name: what to call it in messages and results.
        size_hw: height and width of its first frame, in pixels.
        fps: frames a second, exactly; None for pictures without a rate.
        frame_count: number of frames, None where it is not known beforehand.
        live: whether frames come at their own time and are lost when nobody takes them.
    """

    name: str
    size_hw: tuple[int, int]
    fps: Fraction | None
    frame_count: int | None
    live: bool

    def __iter__(self) -> Iterator[Frame]:
        """The frames.

        Raises:
            SourceError: a frame cannot be read.
        """
        ...

    def close(self) -> None:
        """End an iteration under way and free what is held; closing twice does no harm.

        Of what is live any thread may close it, while another waits for its next frame.
        """

    def __enter__(self: SourceT) -> SourceT:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


# A scheme is what stands before the first colon; the opener gets the whole text.
SCHEMES: Table[Callable[[str], Source]] = Table(
    "source",
    {
        "video": "etc_edge.frames.video_source:open_video",
        "images": "etc_edge.frames.image_source:open_images",
        "camera": "etc_edge.frames.camera_source:open_camera",
        "synthetic": "etc_edge.frames.street_source:open_street",
        "csi": "etc_edge.frames.gstreamer_source:open_csi",
        "gst": "etc_edge.frames.gstreamer_source:open_pipeline",
        **dict.fromkeys(("rtsp", "http", "https", "tcp", "udp"), "etc_edge.frames.network_source:open_network"),
    },
)


def open_source(spec: str | Path) -> Source:
    """Open a source.

    Args:
        spec: a video file; a folder, a glob or a file of images; a camera's number or `/dev/video0`
            (`?size=720x1280&fps=30&format=MJPG`); `csi://0`; `gst://` and a GStreamer pipeline; an address, `rtsp://…`
            (`?transport=udp` for UDP), `http://…`, `tcp://…` or `udp://…`;
            `synthetic:street?size=288x512&seed=3&frames=120&fps=15`.

    Raises:
        SourceError: there is no such thing, or it holds no frame that can be read.
    """
    spec = str(spec)
    return SCHEMES.load(_scheme(spec))(spec)


def _scheme(spec: str) -> str:
    # A single letter before a colon is a drive.
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", spec)
    if match is not None and not Path(spec).exists():
        scheme = match[1].lower()
        if scheme not in SCHEMES.names():
            raise SourceError(
                f"Found the source {spec!r} with the scheme {scheme!r}, expected a path, a camera or one of: "
                f"{', '.join(SCHEMES.names())}.",
                nearest(scheme, SCHEMES.names()),
            )
        return scheme
    if re.match(r"\d+(\?|$)", spec) or spec.startswith("/dev/video"):
        return "camera"
    path = Path(spec)
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES or (re.search(r"[*?\[]", spec) and not path.exists()):
        return "images"
    return "video"


def path_of(spec: str, scheme: str) -> str:
    """A spec without its scheme, where it has one."""
    return spec[len(scheme) + 1 :] if spec.lower().startswith(f"{scheme}:") else spec
