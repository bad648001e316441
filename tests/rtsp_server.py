"""GStreamer's own RTSP server, which takes what is published to it: run by the system's Python, in a process.

python rtsp_server.py PORT FRAMES: prints `ready`, then the size and times of the first so many frames it decoded.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main(port: str, frames: int) -> None:
    """Serve until so many frames came."""
    Gst.init(None)
    loop, seen = GLib.MainLoop(), []

    def counted(_: object, buffer: Gst.Buffer, pad: Gst.Pad) -> None:
        shape = pad.get_current_caps().get_structure(0)
        seen.append(f"{shape.get_value('height')}x{shape.get_value('width')} {buffer.pts / Gst.SECOND:.3f}")
        if len(seen) == frames:
            GLib.idle_add(loop.quit)

    def configured(_: object, media: GstRtspServer.RTSPMedia) -> None:
        sink = media.get_element().get_by_name("counting")
        sink.connect("handoff", counted)

    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch("( rtph264depay name=depay0 ! avdec_h264 ! fakesink name=counting signal-handoffs=true )")
    factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
    factory.connect("media-configure", configured)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    server.get_mount_points().add_factory("/street", factory)
    server.attach(None)
    print(f"ready {server.get_bound_port()}", flush=True)  # noqa: T201
    loop.run()
    print("\n".join(seen), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
