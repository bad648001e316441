"""What the machine tells of itself: from made-up trees, and from this one."""

from __future__ import annotations

from pathlib import Path

from msgspec import UNSET

from etc_edge.benchmark.conditions import ConditionsWatch


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_happened_meanwhile(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu"
    write(
        tmp_path,
        {
            "proc/stat": "cpu  1000 0 500 5000 100 0 0 50 0 0\ncpu0 1 2 3\n",
            "proc/pressure/cpu": "some avg10=1 avg60=1 avg300=1 total=1000000\nfull avg10=0 total=5\n",
            "proc/loadavg": "3.50 2.00 1.00 1/100 5\n",
            f"{cpu}/cpu0/cpufreq/scaling_governor": "powersave\n",
            f"{cpu}/cpu1/cpufreq/scaling_governor": "performance\n",
            f"{cpu}/cpu0/cpufreq/scaling_cur_freq": "1000000\n",
            f"{cpu}/cpu1/cpufreq/scaling_cur_freq": "3000000\n",
            f"{cpu}/cpu0/thermal_throttle/core_throttle_count": "4\n",
            "sys/class/thermal/thermal_zone0/temp": "45000\n",
            "sys/class/thermal/thermal_zone1/temp": "61500\n",
            "sys/firmware/acpi/platform_profile": "balanced\n",
        },
    )
    watch = ConditionsWatch(tmp_path)
    # 4,000 ticks more, of which 3,000 were idle, 200 stolen and 800 busy, far more than this process can have worked.
    write(
        tmp_path,
        {
            "proc/stat": "cpu  1600 0 700 7900 200 0 0 250 0 0\n",
            f"{cpu}/cpu0/thermal_throttle/core_throttle_count": "7\n",
        },
    )
    found = watch.conditions()
    assert 0.15 < found.others_share <= 0.2  # type: ignore[operator]
    assert found.steal_share == 0.05
    assert found.throttled == 3
    assert found.waiting_share == 0
    assert found.load_average == 3.5
    assert found.governor == "performance, powersave"
    assert found.frequency_mhz == 2000
    assert found.temperature_c == 61.5
    assert found.power_mode == "balanced"


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    found = ConditionsWatch(tmp_path).conditions()
    told = [name for name in found.__struct_fields__ if getattr(found, name) is not UNSET]
    assert told == ["seconds"]


def test_this_machine() -> None:
    watch = ConditionsWatch()
    sum(number * number for number in range(300_000))
    found = watch.conditions()
    assert found.seconds >= 0
    if Path("/proc/stat").exists():
        assert 0 <= found.others_share <= 1  # type: ignore[operator]
