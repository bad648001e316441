"""Cameras that the kernel knows, by what it says of them in sysfs; none of them is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = "sys/class/video4linux"

# What NVIDIA's driver calls a CSI sensor of a Jetson: "vi-output, imx219 9-0010".
_CSI = "vi-output"


@dataclass(frozen=True)
class AttachedCamera:
    """A camera.

    Attributes:
        device: its file, which `etc-edge run` takes as a source.
        name: as its driver calls it.
        csi: the source that reads it by the Jetson's image processor; None for what is not on CSI.
    """

    device: str
    name: str
    csi: str | None


def attached_cameras(root: Path = Path("/")) -> tuple[AttachedCamera, ...]:
    """Cameras in the order of their numbers.

    Args:
        root: where `sys` lies.
    """
    found: list[AttachedCamera] = []
    for node in sorted((root / FOLDER).glob("video[0-9]*"), key=lambda path: int(re.sub(r"\D", "", path.name))):
        # A camera's further nodes give metadata and no pictures.
        if _text(node / "index") not in ("0", ""):
            continue
        name = _text(node / "name") or "without a name"
        csi = f"csi://{sum(one.csi is not None for one in found)}" if name.startswith(_CSI) else None
        found.append(AttachedCamera(f"/dev/{node.name}", name, csi))
    return tuple(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
