"""Whether frames that are reported on are among those that something was tuned on, by what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from etc_edge.core.hashing import sha256_bytes
from etc_edge.data.clip import Clip


def frame_digest(image_rgb: npt.NDArray[np.uint8]) -> str:
    """SHA-256 of a frame's size and pixels, whatever file or video they came from."""
    return sha256_bytes(f"{image_rgb.shape}".encode() + np.ascontiguousarray(image_rgb).tobytes())


def split_digests(clips: Sequence[Clip]) -> dict[str, str]:
    """Every frame of clips by its digest: where it is, as "frame I of CLIP".

    Raises:
        DatasetError: a frame cannot be read.
    """
    return {
        frame_digest(clip[index].image_rgb): f"frame {index} of {clip.name}"
        for clip in clips
        for index in range(len(clip))
    }


def shared_frames(images_rgb: Iterable[npt.NDArray[np.uint8]], reported: dict[str, str]) -> list[str]:
    """Those of the reported frames that are among some images."""
    if not reported:
        return []
    found = {frame_digest(image) for image in images_rgb}
    return [where for digest, where in reported.items() if digest in found]
