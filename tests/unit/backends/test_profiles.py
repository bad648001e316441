from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.backends.profiles import check_tensorrt, load_profile, profile_names, resolve
from etc_edge.core.errors import CompileError, RecipeError


@pytest.mark.parametrize("name", profile_names())
def test_every_shipped_profile_builds_int8_and_fp16(name: str) -> None:
    profile = load_profile(name)
    assert profile.precisions[0] == "int8"
    assert ("fp8" in profile.precisions) == (tuple(map(int, profile.compute_capability.split("."))) >= (8, 9))
    assert resolve(name, "int8").precision == "int8"
    assert resolve(name, "fp32").precision == "fp16"
    assert bool(profile.jetpack) == name.startswith("jetson")


def test_there_is_one_for_every_device_of_the_plan() -> None:
    jetsons = {"xavier-nx", "orin", "orin-nano", "orin-nx", "orin-agx", "thor"}
    desktops = {"gpu", "turing", "ampere", "ada", "blackwell"}
    expected = {f"jetson-{name}" for name in jetsons} | {f"desktop-{name}" for name in desktops}
    assert set(profile_names()) == expected | {"datacenter-hopper"}


@pytest.mark.parametrize(
    ("name", "wishes", "message"),
    [
        ("jetson-thor", {"dla_core": 0}, "Thor, which has none"),
        ("jetson-orin-nano", {"dla_core": 0}, "which has none"),
        ("jetson-orin-nx", {"dla_core": 2}, "expected 0 to 1"),
        ("jetson-orin-nx", {"dla_core": 0, "precision": "fp32"}, "expected fp16 or int8"),
        ("jetson-orin-agx", {"precision": "fp8"}, "expected one of int8, fp16, fp32"),
        ("jetson-orin-nano", {"workspace_mib": 9000}, "expected 1 to 8192"),
    ],
)
def test_what_a_device_cannot_do_is_one_line(name: str, wishes: dict[str, object], message: str) -> None:
    with pytest.raises(CompileError, match=message):
        resolve(name, "int8", **wishes)  # type: ignore[arg-type]


def test_a_dla_runs_half_precision_unless_told_otherwise() -> None:
    resolved = resolve("jetson-orin-nx", "int8", dla_core=1)
    assert resolved.engine_options() == {"precision": "fp16", "dla_core": 1, "workspace_mib": 2048}
    assert resolve("jetson-orin-nx", "int8", "int8", dla_core=1).precision == "int8"


def test_another_tensorrt_is_refused() -> None:
    check_tensorrt(resolve("jetson-xavier-nx", "int8"), "8.5.2.2")
    for version in ("8.6.1", "8.4.0", "10.3.0"):
        with pytest.raises(CompileError, match="8.5 or later and before 8.6"):
            check_tensorrt(resolve("jetson-xavier-nx", "int8"), version)
    check_tensorrt(resolve("jetson-thor", "int8"), "10.13.3")


def test_mistakes_in_a_file_are_named(tmp_path: Path) -> None:
    file = tmp_path / "board.yaml"
    file.write_text("title: Board\nprecision: [int8]\n")
    with pytest.raises(RecipeError, match="unknown key 'precision'"):
        load_profile(str(file))
    with pytest.raises(RecipeError, match="jetson-orin"):
        load_profile("jetson-orni")
