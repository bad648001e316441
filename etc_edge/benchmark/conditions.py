"""What else the machine does while something is measured, as far as /proc and /sys tell."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from subprocess import SubprocessError, run
from typing import TypeVar

from msgspec import UNSET, UnsetType

from etc_edge.core.results import Conditions

T = TypeVar("T")

_CPUS = "sys/devices/system/cpu"


@dataclass(frozen=True)
class _Moment:
    """Running counts of the machine; None where it does not tell."""

    clock_s: float
    own_s: float
    cores_s: tuple[float, float, float] | None
    waiting_s: float | None
    throttled: int | None


class ConditionsWatch:
    """Notes what the machine had done when a measurement began, and what it did until it ended.

    Args:
        root: where `proc` and `sys` lie.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._begun = self._moment()

    def conditions(self) -> Conditions:
        """What happened since this was made."""
        begun, now = self._begun, self._moment()
        seconds = now.clock_s - begun.clock_s
        others: float | UnsetType = UNSET
        steal: float | UnsetType = UNSET
        if begun.cores_s is not None and now.cores_s is not None and seconds > 0:
            busy, stolen, all_s = (after - before for before, after in zip(begun.cores_s, now.cores_s, strict=True))
            # Ticks of the system and seconds of the process do not end at the same moment.
            others = min(1.0, max(0.0, busy - (now.own_s - begun.own_s)) / all_s) if all_s else UNSET
            steal = stolen / all_s if all_s else UNSET
        waiting: float | UnsetType = UNSET
        if begun.waiting_s is not None and now.waiting_s is not None and seconds > 0:
            waiting = min(1.0, (now.waiting_s - begun.waiting_s) / seconds)
        throttled: int | UnsetType = UNSET
        if begun.throttled is not None and now.throttled is not None:
            throttled = now.throttled - begun.throttled
        return Conditions(
            seconds=round(seconds, 1),
            others_share=_rounded(others),
            steal_share=_rounded(steal),
            waiting_share=_rounded(waiting),
            load_average=_set(_first_number(self._root / "proc/loadavg")),
            governor=", ".join(sorted(set(self._each_cpu("cpufreq/scaling_governor")))) or UNSET,
            frequency_mhz=_mean([float(text) / 1e3 for text in self._each_cpu("cpufreq/scaling_cur_freq")]),
            throttled=throttled,
            temperature_c=self._temperature_c(),
            power_mode=self._power_mode(),
        )

    def _moment(self) -> _Moment:
        own = os.times()
        return _Moment(
            time.perf_counter(),
            own.user + own.system + own.children_user + own.children_system,
            self._cores_s(),
            self._waiting_s(),
            self._throttled(),
        )

    def _cores_s(self) -> tuple[float, float, float] | None:
        """Seconds of all cores together that were busy, that were stolen, and all there were."""
        first = (_text(self._root / "proc/stat") or "").partition("\n")[0].split()
        if len(first) < 9 or first[0] != "cpu":
            return None
        # user nice system idle iowait irq softirq steal; guests are part of user.
        ticks = [int(number) / os.sysconf("SC_CLK_TCK") for number in first[1:9]]
        idle = ticks[3] + ticks[4]
        return sum(ticks) - idle - ticks[7], ticks[7], sum(ticks)

    def _waiting_s(self) -> float | None:
        for line in (_text(self._root / "proc/pressure/cpu") or "").splitlines():
            if line.startswith("some") and "total=" in line:
                return int(line.rpartition("total=")[2]) / 1e6
        return None

    def _throttled(self) -> int | None:
        counts = [int(text) for text in self._each_cpu("thermal_throttle/core_throttle_count")]
        return sum(counts) if counts else None

    def _temperature_c(self) -> float | UnsetType:
        zones = (self._root / "sys/class/thermal").glob("thermal_zone*/temp")
        found = [number / 1e3 for zone in zones if (number := _first_number(zone)) is not None]
        return max(found) if found else UNSET

    def _power_mode(self) -> str | UnsetType:
        profile = _text(self._root / "sys/firmware/acpi/platform_profile")
        if profile:
            return profile.strip()
        return _nvpmodel() if self._root == Path("/") and which("nvpmodel") else UNSET

    def _each_cpu(self, file: str) -> Iterator[str]:
        for path in sorted((self._root / _CPUS).glob(f"cpu[0-9]*/{file}")):
            if text := _text(path):
                yield text.strip()


def _nvpmodel() -> str | UnsetType:
    """The mode's name, as `nvpmodel -q` tells it: "NV Power Mode: MAXN"."""
    try:
        told = run(["nvpmodel", "-q"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, SubprocessError):
        return UNSET
    for line in told.splitlines():
        if "Power Mode:" in line:
            return line.partition("Power Mode:")[2].strip()
    return UNSET


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _first_number(path: Path) -> float | None:
    try:
        return float((_text(path) or "").split()[0])
    except (IndexError, ValueError):
        return None


def _mean(values: list[float]) -> float | UnsetType:
    return sum(values) / len(values) if values else UNSET


def _set(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def _rounded(value: float | UnsetType) -> float | UnsetType:
    return value if isinstance(value, UnsetType) else round(value, 4)
