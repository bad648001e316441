"""The schema of what `etc-edge sensitivity` measures: what each group of a network costs in INT8 by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import ResultsError

SUFFIX = ".sensitivity.json"


class GroupCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one group costs, float minus this, as fractions but for the first.

    Args:
        name: of the group.
        snr_db: power of the float logits by that of the difference, in decibels; None where there is none.
        miou: drop of mIoU; None without labels.
        tc: drop of tc; None without neighbours.
        flicker: flicker that was added; None without neighbours.
        agreement: share of pixels with the float network's label.
    """

    name: str
    snr_db: float | None
    miou: float | None
    tc: float | None
    flicker: float | None
    agreement: float


class MeasuredGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group and what it costs alone; `macs` of the network's, `saved` of the time that INT8 saves, estimated."""

    nodes: tuple[str, ...]
    macs: float
    saved: float
    cost: GroupCost


class Sensitivity(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` holds.

    Args:
        bundle: name and SHA-256 of the float bundle.
        quantize: what was calibrated how.
        data: name, split and number of frames, moved copies of stills included.
        groups: in the order of the network.
        whole: what all of them together cost.
        seconds: how long measuring took, without what was remembered.
        device, versions: where and with what it was measured.
    """

    bundle: dict[str, str]
    quantize: dict[str, Any]
    data: dict[str, Any]
    groups: list[MeasuredGroup]
    whole: GroupCost
    seconds: float
    device: dict[str, Any]
    versions: dict[str, str]


def save_sensitivity(found: Sensitivity, path: Path) -> None:
    """Write it as indented JSON, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


def load_sensitivity(path: Path) -> Sensitivity:
    """Read what `save_sensitivity` wrote.

    Raises:
        ResultsError: the file is missing, or is not what `etc-edge sensitivity --json` writes.
    """
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=Sensitivity)
    except OSError as error:
        raise ResultsError(f"Found no costs of groups at {path}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ResultsError(
            f"Found {path}, which holds no costs of groups: {error}.",
            "They are written by `etc-edge sensitivity --json`.",
        ) from error
    if not found.groups:
        raise ResultsError(f"Found {path}, which holds no costs of groups: it lists none.")
    return found


def sensitivities_beside(results: Path) -> list[Path]:
    """Files named `*.sensitivity.json` in the folder of a results file, by name."""
    return sorted(Path(results).parent.glob(f"*{SUFFIX}"))
