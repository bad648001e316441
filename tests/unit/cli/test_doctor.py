from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from etc_edge.backends.table import BACKENDS, CPU_BACKENDS
from etc_edge.cli.doctor import command
from etc_edge.stages import doctor
from tests.constructed_boards import DESKTOP, ORIN_NANO_JETPACK_6, THOR_JETPACK_7, XAVIER_NX_JETPACK_5, ConstructedBoard


def test_the_report_ends_with_a_verdict_for_every_target(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = {None, "graph", *CPU_BACKENDS}
    monkeypatch.setattr(doctor, "PACKAGES", [row for row in doctor.PACKAGES if row[1] in engines])
    result = CliRunner().invoke(command)
    assert result.exit_code == 0, result.output
    assert "processor" in result.output
    verdicts = [line.split(maxsplit=2) for line in result.output.splitlines() if line.startswith("target")]
    assert [name for _, name, _ in verdicts] == ["cpu", *BACKENDS.names()]
    assert {name for _, name, verdict in verdicts if verdict == "works here"} >= {"cpu", *CPU_BACKENDS}


@pytest.mark.parametrize(
    ("board", "lines"),
    [
        (
            XAVIER_NX_JETPACK_5,
            [
                "JetPack          5.1.2 (Jetson Linux 35.4.1)",
                "TensorRT         8.5.2 of the system, for Python 3.8",
                "CUDA             11.4.298 without its compiler",
                "GPU              Volta (compute capability 7.2), by the board's name",
                "DLA cores        2",
                "power mode       MODE_20W_6CORE of MODE_15W_2CORE, MODE_20W_6CORE",
                "device profile   --target jetson-xavier-nx",
                "tensorrt         not installed; build it from NVIDIA's sources: docs/jetson.md, JetPack 5",
            ],
        ),
        (
            ORIN_NANO_JETPACK_6,
            [
                "board            NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
                "GPU              Orin (nvgpu) (compute capability 8.7, driver 540.4.0, memory [N/A])",
                "DLA cores        none",
                "cameras          /dev/video0 (vi-output, imx219 9-0010; csi://0 by its image processor); "
                "/dev/video1 (vi-output, imx219 10-0010; csi://1 by its image processor); "
                "/dev/video2 (HD Pro Webcam C920)",
                "GStreamer        1.20.3",
                "missing          pycuda; PATH=/usr/local/cuda/bin:$PATH pip install pycuda",
            ],
        ),
        (
            THOR_JETPACK_7,
            [
                "TensorRT         none of JetPack's",
                "power mode       120W of MAXN, 120W",
                "missing          TensorRT; sudo apt install nvidia-jetpack",
            ],
        ),
        (
            DESKTOP,
            [
                "device profile   --target desktop-ada",
                "cameras          none attached",
                'tensorrt         not installed; pip install "etc-edge[tensorrt]"',
            ],
        ),
    ],
    ids=["xavier", "orin", "thor", "desktop"],
)
def test_a_board_is_described_with_what_it_lacks(
    board: ConstructedBoard, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a constructed file tree and without any package of NVIDIA's."""

    def absent(module: str, extra: str | None) -> doctor.Package:
        return doctor.Package(module, extra, None, "not installed")

    root, look = board.write(tmp_path), doctor.doctor
    monkeypatch.setattr(doctor, "_try_package", absent)
    monkeypatch.setattr(doctor, "doctor", lambda: look(root))
    result = CliRunner().invoke(command)
    assert result.exit_code == 1, "nothing is installed, so no target works"
    printed = result.output.splitlines()
    assert [line for line in lines if line not in printed] == [], result.output
