"""Energy meters on trees as the kernel shows them; no machine of ours has them all."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from etc_edge.benchmark.power import Ina3221, Rapl, find_meter, metered


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Replaced in one step, as a reader of the kernel's files never sees half a number.
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(path)


def test_rapl_adds_packages_and_wraps_around(tmp_path: Path) -> None:
    zones = [tmp_path / "sys/class/powercap" / f"intel-rapl:{number}" for number in range(2)]
    for zone in zones:
        write(zone / "max_energy_range_uj", "10000000\n")
        write(zone / "energy_uj", "9000000\n")
    # A zone inside a package is part of it.
    write(tmp_path / "sys/class/powercap/intel-rapl:0:0/energy_uj", "1\n")
    meter = find_meter(True, tmp_path)
    assert isinstance(meter, Rapl)
    assert meter.joules() == 0
    write(zones[0] / "energy_uj", "9500000\n")
    write(zones[1] / "energy_uj", "2000000\n")
    assert meter.joules() == pytest.approx(0.5 + 3.0)
    assert meter.joules() == pytest.approx(3.5)


def test_work_against_the_idle_machine(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    write(zone / "max_energy_range_uj", "1000000000\n")
    write(zone / "energy_uj", "0\n")
    meter = Rapl.find(tmp_path)
    assert meter is not None

    spent: list[float] = []

    def work() -> int:
        begun = time.perf_counter()
        time.sleep(0.1)
        write(zone / "energy_uj", "2000000\n")
        spent.append(time.perf_counter() - begun)
        return 8

    begun = time.perf_counter()
    found = metered(meter, work, idle_s=0.05)
    whole = time.perf_counter() - begun
    assert found.j_per_frame == pytest.approx(0.25)
    assert found.power.idle_watts == 0
    assert 2 / whole <= found.power.watts <= 2 / spent[0] <= 20
    assert found.power.meter == "rapl"


def test_a_board_sums_volts_times_amperes_up(tmp_path: Path) -> None:
    chip = tmp_path / "sys/class/hwmon/hwmon3"
    write(chip / "name", "ina3221\n")
    write(chip / "in1_label", "VDD_IN\n")
    write(chip / "in1_input", "5000\n")
    write(chip / "curr1_input", "2000\n")
    before = threading.active_count()
    begun = time.perf_counter()
    meter = find_meter(True, tmp_path)
    assert isinstance(meter, Ina3221)
    while meter.joules() < 5:
        time.sleep(0.01)
        assert time.perf_counter() - begun < 20
    meter.close()
    # Its last sample is over before it is asked, so that it never counts more than ten watts of the time that went by.
    assert 5 <= meter.joules() <= 10 * (time.perf_counter() - begun)
    assert threading.active_count() == before


def test_no_meter(tmp_path: Path) -> None:
    assert Rapl.find(tmp_path) is None
    assert Ina3221.find(tmp_path) is None
    assert find_meter(True, tmp_path) is None


def test_a_model_on_a_gpu_is_not_metered_by_the_processor(tmp_path: Path) -> None:
    write(tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj", "1\n")
    assert isinstance(find_meter(True, tmp_path), Rapl)
    assert not isinstance(find_meter(False, tmp_path), Rapl)
