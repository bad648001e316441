"""Where video is decoded: by a hardware decoder that FFmpeg has and this machine too, else by the processor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from etc_edge.core.errors import SourceError
from etc_edge.core.table import nearest

# `auto`, `software`, or a device type of FFmpeg's such as `cuda`, which then has to be there.
ENVIRONMENT = "ETC_EDGE_DECODER"
AUTO, SOFTWARE = "auto", "software"

# Asked of every device type: what cannot make a context for it here is no decoder of this machine.
_ASKED_CODEC = "h264"


def wanted_decoder() -> str:
    """What the environment asks for.

    Raises:
        SourceError: neither `auto` nor `software` nor a device type that FFmpeg was built with.
    """
    wanted = os.environ.get(ENVIRONMENT, AUTO).lower()
    known = [AUTO, SOFTWARE, *_device_types()]
    if wanted not in known:
        raise SourceError(f"Found {ENVIRONMENT}={wanted}, expected one of {', '.join(known)}.", nearest(wanted, known))
    return wanted


@contextmanager
def opened_container(address: str, **options: Any) -> Iterator[tuple[Any, str]]:
    """Open what FFmpeg can read.

    Args:
        address: as FFmpeg takes it.
        options: for `av.open`.

    Yields:
        The container, and which device type decodes it, or `software`.

    Raises:
        SourceError: the decoder that was asked for is not here.
        av.error.FFmpegError, OSError, ValueError: as `av.open`.
    """
    import av

    device = _device(wanted_decoder())
    if device is not None:
        options["hwaccel"] = av.codec.hwaccel.HWAccel(device, allow_software_fallback=True)
    with av.open(address, metadata_errors="replace", **options) as container:
        accelerated = any(getattr(one.codec_context, "is_hwaccel", False) for one in container.streams.video)
        yield container, device if device is not None and accelerated else SOFTWARE


def _device(wanted: str) -> str | None:
    """The device type to decode with, None for the processor."""
    if wanted == SOFTWARE:
        return None
    if wanted == AUTO:
        return next((name for name in _device_types() if _refusal(name) is None), None)
    refusal = _refusal(wanted)
    if refusal is not None:
        raise SourceError(
            f"Found {ENVIRONMENT}={wanted}, which cannot decode here: {refusal}.",
            f"Leave it out, or set it to {SOFTWARE}.",
        )
    return wanted


def _device_types() -> list[str]:
    import av

    hwaccel = getattr(av.codec, "hwaccel", None)  # before PyAV 14 there is none
    return [] if hwaccel is None else list(hwaccel.hwdevices_available())


@cache
def _refusal(device: str) -> str | None:
    """Why a device type cannot decode on this machine, None where it can."""
    import av

    try:
        av.codec.hwaccel.HWAccel(device).create(av.codec.Codec(_ASKED_CODEC, "r"))
    except (av.error.FFmpegError, OSError, NotImplementedError, RuntimeError) as error:
        return str(getattr(error, "strerror", None) or error).rstrip(".")
    return None
