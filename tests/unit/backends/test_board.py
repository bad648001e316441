"""What is read of a board, and what it lacks, on constructed file trees: no real board is behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.backends.board import BOARD_PROFILES, CARD_PROFILES, Board, read_board
from etc_edge.backends.board_needs import needs
from etc_edge.backends.profiles import load_profile, profile_names
from tests.constructed_boards import (
    CARD_WITHOUT_DRIVER,
    DESKTOP,
    GSTREAMER,
    ORIN_NANO_JETPACK_6,
    RASPBERRY_PI,
    THOR_JETPACK_7,
    XAVIER_NX_JETPACK_5,
    ConstructedBoard,
    release,
)

EVERYTHING = {"tensorrt", "pycuda", "gi"}


def commands(board: Board, python: tuple[int, int], loaded: set[str]) -> list[str]:
    return [need.command for need in needs(board, python, loaded)]


def test_an_orin_nano_with_jetpack_6(tmp_path: Path) -> None:
    board = read_board(ORIN_NANO_JETPACK_6.write(tmp_path))
    assert board.model == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    assert (board.jetpack, board.jetson_linux) == ("6.2", "36.4.3")
    assert (board.tensorrt, board.tensorrt_python, board.cuda) == ("10.3.0.30", "3.10", "12.6.11")
    assert [(gpu.name, gpu.compute_capability) for gpu in board.gpus] == [("Orin (nvgpu)", "8.7")]
    assert (board.dla_cores, board.power_mode, board.profile) == (0, "15W", "jetson-orin-nano")
    assert board.power_modes == ("15W", "25W", "MAXN_SUPER")
    assert board.gstreamer == "1.20.3"
    assert needs(board, (3, 10), EVERYTHING) == ()


def test_an_environment_that_does_not_see_jetpacks_packages(tmp_path: Path) -> None:
    board = read_board(ORIN_NANO_JETPACK_6.write(tmp_path))
    environment, pycuda = needs(board, (3, 12), set())
    assert environment.command == "python3.10 -m venv --system-site-packages .venv"
    assert environment.what == "an environment that sees JetPack's TensorRT, by Python 3.10 instead of 3.12"
    assert (environment.module, pycuda.module) == ("tensorrt", "pycuda")
    (gstreamer,) = needs(board, (3, 10), {"tensorrt", "pycuda"})
    assert gstreamer.command == "/usr/bin/python3 -m venv --system-site-packages .venv"
    assert pycuda.command == "PATH=/usr/local/cuda/bin:$PATH pip install pycuda"


def test_a_xavier_nx_with_jetpack_5(tmp_path: Path) -> None:
    board = read_board(XAVIER_NX_JETPACK_5.write(tmp_path))
    assert (board.jetpack, board.jetson_linux, board.tensorrt) == ("5.1.2", "35.4.1", "8.5.2")
    assert (board.cuda, board.nvcc, board.dla_cores) == ("11.4.298", False, 2)
    assert (board.gpus, board.gpu_problem) == ((), None), "JetPack 5 has no nvidia-smi"
    assert (board.power_mode, board.profile) == ("MODE_20W_6CORE", "jetson-xavier-nx")
    module, toolkit, pycuda = needs(board, (3, 10), set())
    assert module.what == "TensorRT's module for Python 3.10: JetPack's is for 3.8"
    assert toolkit.command == "sudo apt install cuda-toolkit-11-4"
    assert pycuda.module == "pycuda"


def test_a_thor_as_it_is_flashed_lacks_jetpacks_components(tmp_path: Path) -> None:
    board = read_board(THOR_JETPACK_7.write(tmp_path))
    assert (board.jetpack, board.tensorrt, board.cuda, board.profile) == ("7.0", None, None, "jetson-thor")
    assert commands(board, (3, 12), set()) == [
        "sudo apt install nvidia-jetpack",
        "sudo apt install nvidia-jetpack",
        "PATH=/usr/local/cuda/bin:$PATH pip install pycuda",
        "sudo apt install python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-good",
        "sudo apt install nvidia-l4t-gstreamer",
    ]


def test_jetpacks_library_without_its_module(tmp_path: Path) -> None:
    board = read_board(ConstructedBoard(ORIN_NANO_JETPACK_6.files, ORIN_NANO_JETPACK_6.packages).write(tmp_path))
    assert commands(board, (3, 10), {"pycuda", "gi"}) == ["sudo apt install python3-libnvinfer"]


def test_a_desktop_takes_its_tensorrt_from_pip(tmp_path: Path) -> None:
    board = read_board(DESKTOP.write(tmp_path))
    assert not board.jetson
    assert (board.gpus[0].name, board.gpus[0].driver, board.profile) == (
        "NVIDIA GeForce RTX 4070",
        "550.54.15",
        "desktop-ada",
    )
    assert board.jetpack is None
    assert commands(board, (3, 10), {"gi"})[0] == "sudo apt install nvidia-cuda-toolkit"
    assert {need.module for need in needs(board, (3, 10), {"gi"})} == {None}


def test_a_card_without_its_driver(tmp_path: Path) -> None:
    board = read_board(CARD_WITHOUT_DRIVER.write(tmp_path))
    (driver,) = needs(board, (3, 12), {"gi"})
    assert driver.what == "NVIDIA's driver (a card that no driver serves)"
    assert driver.command == "sudo ubuntu-drivers install"


def test_a_driver_that_does_not_start_is_told_in_its_own_words(tmp_path: Path) -> None:
    words = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    board = read_board(ConstructedBoard(DESKTOP.files, GSTREAMER, {"usr/bin/nvidia-smi": words}).write(tmp_path))
    assert board.gpu_problem == f"nvidia-smi says: {words}"
    assert commands(board, (3, 12), {"gi"}) == ["sudo apt install nvidia-driver"]


def test_another_makers_board_is_no_jetson(tmp_path: Path) -> None:
    board = read_board(RASPBERRY_PI.write(tmp_path))
    assert (board.model, board.jetson, board.profile) == ("Raspberry Pi 5 Model B Rev 1.0", False, None)
    assert needs(board, (3, 12), set()) == ()


def test_an_empty_machine_has_nothing(tmp_path: Path) -> None:
    board = read_board(tmp_path)
    assert (board.model, board.jetson, board.gpus, board.packages) == (None, False, (), None)
    assert needs(board, (3, 12), set()) == ()


@pytest.mark.parametrize(
    ("major", "revision", "jetpack", "linux"),
    [
        (35, "6.0", "5.1.4", "35.6.0"),
        (36, "4", "6.1", "36.4.0"),
        (36, "9.1", "6", "36.9.1"),
        (39, "2.0", "7.2", "39.2.0"),
        (44, "1.0", None, "44.1.0"),
    ],
)
def test_jetpack_is_known_by_jetson_linux(
    major: int, revision: str, jetpack: str | None, linux: str, tmp_path: Path
) -> None:
    board = read_board(ConstructedBoard({"etc/nv_tegra_release": release(major, revision)}).write(tmp_path))
    assert (board.jetpack, board.jetson_linux, board.jetson) == (jetpack, linux, True)


def test_files_that_make_no_sense_are_passed_over(tmp_path: Path) -> None:
    files = {"etc/nv_tegra_release": "words\n", "usr/local/cuda/version.json": "[]", "var/lib/dpkg/status": "\n\nA\n"}
    board = read_board(ConstructedBoard(files, programs={"usr/bin/nvidia-smi": ""}).write(tmp_path))
    assert (board.jetson_linux, board.cuda, board.packages) == (None, None, {})
    assert board.gpu_problem == "nvidia-smi says: nothing"


def test_every_profile_that_is_named_exists_and_is_of_that_gpu() -> None:
    assert {*BOARD_PROFILES.values(), *CARD_PROFILES.values()} <= set(profile_names())
    for capability, name in CARD_PROFILES.items():
        assert load_profile(name).compute_capability.split(".")[0] == capability.split(".")[0]
