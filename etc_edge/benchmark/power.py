"""Meters of electrical energy: Intel and AMD processors (RAPL), NVIDIA GPUs (NVML), boards with an INA3221 (Jetson).

RAPL and NVML count energy; an INA3221 tells voltage and current of the moment, which a thread sums up ten times a
second. Each is used where it is found and readable: RAPL's counters often only by root.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from etc_edge.core.results import Power

IDLE_S = 1.0
_SAMPLE_S = 0.1


class Meter(Protocol):
    """Counts energy while it is open."""

    @property
    def name(self) -> str:
        """What results call it."""

    def joules(self) -> float:
        """Energy since some moment in the past."""

    def close(self) -> None:
        """Stop counting."""


@dataclass(frozen=True)
class Measured:
    """Power while something was done, and its energy a frame."""

    power: Power
    j_per_frame: float


def metered(meter: Meter, work: Callable[[], int], idle_s: float = IDLE_S) -> Measured:
    """Meter some work, and the idle machine just before; its energy is not taken off.

    Args:
        meter: an open meter.
        work: does something and says how many frames it was.
        idle_s: how long to look at the idle machine.
    """
    idle_watts, _ = _watts(meter, lambda: _rest(idle_s))
    begun = meter.joules()
    watts, frames = _watts(meter, work)
    spent = meter.joules() - begun
    return Measured(Power(meter=meter.name, watts=watts, idle_watts=idle_watts), spent / max(1, frames))


def find_meter(on_processor: bool, root: Path = Path("/")) -> Meter | None:
    """The first meter that this machine has and lets us read of those that feed what a model runs on.

    Args:
        on_processor: whether the model runs on the processor, so that GPUs only idle.
        root: where `sys` lies.

    Returns:
        The board's, or else the processor's or the GPUs'; the caller closes it.
    """
    finders: tuple[Callable[[], Meter | None], ...] = (
        lambda: Ina3221.find(root),
        (lambda: Rapl.find(root)) if on_processor else Nvml.find,
    )
    for find in finders:
        meter = find()
        if meter is not None:
            return meter
    return None


@dataclass
class Rapl:
    """Package counters of `powercap`, in microjoules; they wrap around at `max_energy_range_uj`."""

    zones: Sequence[Path]
    name: str = "rapl"

    def __post_init__(self) -> None:
        self._ranges = [_number(zone / "max_energy_range_uj") or 0.0 for zone in self.zones]
        self._last = [_number(zone / "energy_uj") or 0.0 for zone in self.zones]
        self._total = 0.0

    @classmethod
    def find(cls, root: Path) -> Rapl | None:
        """The packages' counters, or None where there are none that can be read."""
        zones = sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]"))
        readable = [zone for zone in zones if _number(zone / "energy_uj") is not None]
        return cls(readable) if readable else None

    def joules(self) -> float:
        """See Meter."""
        for place, zone in enumerate(self.zones):
            now = _number(zone / "energy_uj")
            if now is None:
                continue
            step = now - self._last[place]
            self._total += step + (self._ranges[place] if step < 0 else 0.0)
            self._last[place] = now
        return self._total / 1e6

    def close(self) -> None:
        """See Meter."""


class Nvml:
    """All GPUs' counters of the driver's own library, in millijoules since it was loaded."""

    name = "nvml"

    def __init__(self, library: ctypes.CDLL, handles: Sequence[ctypes.c_void_p]) -> None:
        self._library, self._handles = library, handles

    @classmethod
    def find(cls) -> Nvml | None:
        """The GPUs' counters, or None without a driver, a GPU or a counter."""
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return None
        count = ctypes.c_uint()
        if library.nvmlInit_v2() or library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return None
        handles = []
        for number in range(count.value):
            handle, spent = ctypes.c_void_p(), ctypes.c_ulonglong()
            if library.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(handle)):
                continue
            if not library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(spent)):
                handles.append(handle)
        return cls(library, handles) if handles else None

    def joules(self) -> float:
        """See Meter."""
        total, spent = 0.0, ctypes.c_ulonglong()
        for handle in self._handles:
            self._library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(spent))
            total += spent.value / 1e3
        return total

    def close(self) -> None:
        """See Meter."""
        self._library.nvmlShutdown()


class Ina3221:
    """The board's input rail: the sum over monitors of millivolts times milliamperes, summed up over time.

    Args:
        rail: `in1_input` and `curr1_input` of the rail that feeds all others.
    """

    name = "ina3221"

    def __init__(self, rail: tuple[Path, Path]) -> None:
        self._rail = rail
        self._total, self._ended = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._sum_up, name="etc-edge power", daemon=True)
        self._thread.start()

    @classmethod
    def find(cls, root: Path) -> Ina3221 | None:
        """The input rail (`VDD_IN`, `VDD_GPU_SOC` being parts of it), or None without such a chip."""
        chips = sorted((root / "sys/class/hwmon").glob("hwmon*"))
        for chip in chips:
            if _text(chip / "name") != "ina3221":
                continue
            for label in sorted(chip.glob("in*_label")):
                number = label.name.removeprefix("in").removesuffix("_label")
                rail = chip / f"in{number}_input", chip / f"curr{number}_input"
                if _text(label) in ("VDD_IN", "VIN_SYS_5V0", "POM_5V_IN") and all(map(Path.is_file, rail)):
                    return cls(rail)
        return None

    def joules(self) -> float:
        """See Meter."""
        return self._total

    def close(self) -> None:
        """See Meter."""
        self._ended.set()
        self._thread.join()

    def _sum_up(self) -> None:
        before = time.perf_counter()
        while not self._ended.wait(_SAMPLE_S):
            millivolts, milliamperes = (_number(path) or 0.0 for path in self._rail)
            now = time.perf_counter()
            self._total += millivolts * milliamperes / 1e6 * (now - before)
            before = now


def _watts(meter: Meter, work: Callable[[], int]) -> tuple[float, int]:
    begun, joules = time.perf_counter(), meter.joules()
    frames = work()
    return (meter.joules() - joules) / (time.perf_counter() - begun), frames


def _rest(seconds: float) -> int:
    time.sleep(seconds)
    return 0


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _number(path: Path) -> float | None:
    try:
        return float(_text(path) or "")
    except ValueError:
        return None
