"""How long each kernel took on this GPU, kept from build to build so that the next one is fast."""

from __future__ import annotations

from pathlib import Path

import tensorrt as trt

from etc_edge.backends.cache_folder import cache_folder
from etc_edge.backends.tensorrt.calls import content
from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.hashing import sha256_bytes
from etc_edge.core.progress import Progress


def timing_cache_path(device: str) -> Path:
    """Where the times of a device (in words) and this TensorRT are kept."""
    key = sha256_bytes(f"{device}\n{trt.__version__}".encode())[:16]
    return cache_folder() / "timings" / f"{key}.timing-cache"


def use_timing_cache(config: trt.IBuilderConfig, device: str, progress: Progress) -> None:
    """Start a build with the times that are known, or with none where they were taken elsewhere or are damaged."""
    path = timing_cache_path(device)
    try:
        stored = path.read_bytes()
    except OSError:
        stored = b""
    if stored:
        cache = config.create_timing_cache(stored)
        if cache is not None and config.set_timing_cache(cache, False):
            return
        progress.say(f"The kernel times in {path} were taken on another device or are damaged, and are taken again.")
    config.set_timing_cache(config.create_timing_cache(b""), False)


def keep_timing_cache(config: trt.IBuilderConfig, device: str, progress: Progress) -> None:
    """Keep what a build measured; a cache that cannot be written is told and does no harm."""
    cache = config.get_timing_cache()
    if cache is None:
        return
    try:
        with atomic_file(timing_cache_path(device)) as temporary:
            temporary.write_bytes(content(cache.serialize()))
    except EtcEdgeError as error:
        progress.say(f"The kernel times could not be kept for the next build. {error}")
