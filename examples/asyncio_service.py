"""A service that labels a source and tells everyone who connects which share of the picture each class has.

python examples/asyncio_service.py NAME.etc rtsp://camera/1 8765      then: nc 127.0.0.1 8765
"""

from __future__ import annotations

import asyncio
import json
import sys

import numpy as np

from etc_edge.runtime import Segmenter


async def serve(model: str, source: str, port: int) -> None:
    """Label until the source ends; a client that does not read is not waited for."""
    listeners: set[asyncio.StreamWriter] = set()

    async def welcome(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listeners.add(writer)

    with Segmenter.load(model) as segmenter:
        server = await asyncio.start_server(welcome, "127.0.0.1", port)
        print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
        names = segmenter.label_set.names
        async for result in segmenter.stream(source):
            counts = np.bincount(result.labels.ravel(), minlength=len(names))
            shares = {name: round(count / result.labels.size, 4) for name, count in zip(names, counts, strict=False)}
            line = json.dumps({"index": result.index, "shares": shares}).encode() + b"\n"
            for writer in list(listeners):
                if writer.is_closing():
                    listeners.discard(writer)
                elif writer.transport.get_write_buffer_size() < 100_000:
                    writer.write(line)
        for writer in listeners:
            writer.close()
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
