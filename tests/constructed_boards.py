"""File trees as boards and desktops have them: constructed by hand from NVIDIA's documentation, not taken from any.

What `nvidia-smi` and `nvpmodel` answer is printed by scripts in their places.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

GSTREAMER = {
    "libgstreamer1.0-0": "1.20.3-0ubuntu1.1",
    "python3-gi": "3.42.1-0ubuntu1",
    "gir1.2-gst-plugins-base-1.0": "1.20.1-1ubuntu0.4",
    "gstreamer1.0-plugins-good": "1.20.3-0ubuntu1.3",
    "nvidia-l4t-gstreamer": "36.4.3-20250107174145",
}


@dataclass
class ConstructedBoard:
    """Text of files, Debian packages, what programs print, folders."""

    files: dict[str, str]
    packages: dict[str, str] = field(default_factory=dict)
    programs: dict[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()

    def write(self, root: Path) -> Path:
        """Put it under a root folder."""
        texts = dict(self.files)
        if self.packages:
            paragraphs = [
                f"Package: {name}\nStatus: install ok installed\nDescription: words\n  more: words\n"
                f"Version: {version}\n"
                for name, version in self.packages.items()
            ]
            paragraphs.append("Package: libnvinfer7\nStatus: deinstall ok config-files\nVersion: 99.0-1\n")
            texts["var/lib/dpkg/status"] = "\n".join(paragraphs)
        texts |= {name: f"#!/bin/sh\ncat <<'END'\n{told}\nEND\n" for name, told in self.programs.items()}
        for name, text in texts.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755 if name in self.programs else 0o644)
        for name in self.folders:
            (root / name).mkdir(parents=True, exist_ok=True)
        return root


def release(major: int, revision: str) -> str:
    """The text of /etc/nv_tegra_release."""
    return (
        f"# R{major} (release), REVISION: {revision}, GCID: 38968081, BOARD: generic, EABI: aarch64, "
        "DATE: Wed Jan  8 01:49:37 UTC 2025\n# KERNEL_VARIANT: oot\n"
    )


def power_modes(*names: str) -> str:
    """The text of /etc/nvpmodel.conf, shortened."""
    rows = [f"< POWER_MODEL ID={number} NAME={name} >\nCPU_ONLINE CORE_0 1\n" for number, name in enumerate(names)]
    return "# a comment: < POWER_MODEL ID=number NAME=mode_name >\n" + "\n".join(rows)


XAVIER_NX_JETPACK_5 = ConstructedBoard(
    files={
        "proc/device-tree/model": "NVIDIA Jetson Xavier NX Developer Kit\0",
        "etc/nv_tegra_release": release(35, "4.1"),
        "etc/nvpmodel.conf": power_modes("MODE_15W_2CORE", "MODE_20W_6CORE"),
    },
    packages={
        **GSTREAMER,
        "libnvinfer8": "8.5.2-1+cuda11.4",
        "python3-libnvinfer": "8.5.2-1+cuda11.4",
        "cuda-cudart-11-4": "11.4.298-1",
        "nvidia-jetpack": "5.1.2-b104",
    },
    programs={"usr/sbin/nvpmodel": "NV Fan Mode:quiet\nNV Power Mode: MODE_20W_6CORE\n8"},
    folders=(
        "usr/lib/python3.8/dist-packages/tensorrt",
        "sys/bus/platform/devices/15880000.nvdla0",
        "sys/bus/platform/devices/158c0000.nvdla1",
    ),
)

ORIN_NANO_JETPACK_6 = ConstructedBoard(
    files={
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
        "etc/nv_tegra_release": release(36, "4.3"),
        "etc/nvpmodel.conf": power_modes("15W", "25W", "MAXN_SUPER"),
        "usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.11"}}',
        "usr/local/cuda/bin/nvcc": "",
        "sys/class/video4linux/video0/name": "vi-output, imx219 9-0010\n",
        "sys/class/video4linux/video0/index": "0\n",
        "sys/class/video4linux/video1/name": "vi-output, imx219 10-0010\n",
        "sys/class/video4linux/video1/index": "0\n",
        "sys/class/video4linux/video2/name": "HD Pro Webcam C920\n",
        "sys/class/video4linux/video2/index": "0\n",
        "sys/class/video4linux/video3/name": "HD Pro Webcam C920\n",
        "sys/class/video4linux/video3/index": "1\n",
    },
    packages={
        **GSTREAMER,
        "libnvinfer10": "10.3.0.30-1+cuda12.5",
        "python3-libnvinfer": "10.3.0.30-1+cuda12.5",
    },
    programs={
        "usr/sbin/nvpmodel": "NV Power Mode: 15W\n0",
        "usr/bin/nvidia-smi": "Orin (nvgpu), 8.7, 540.4.0, [N/A]",
    },
    folders=("usr/lib/python3.10/dist-packages/tensorrt",),
)

# As it is flashed, without JetPack's components.
THOR_JETPACK_7 = ConstructedBoard(
    files={
        "proc/device-tree/model": "NVIDIA Jetson AGX Thor Developer Kit\0",
        "etc/nv_tegra_release": release(38, "2.0"),
        "etc/nvpmodel.conf": power_modes("MAXN", "120W"),
    },
    packages={"libgstreamer1.0-0": "1.24.2-1ubuntu0.1"},
    programs={
        "usr/sbin/nvpmodel": "NV Power Mode: 120W\n1",
        "usr/bin/nvidia-smi": "NVIDIA Thor, 11.0, 580.00, [N/A]",
    },
)

DESKTOP = ConstructedBoard(
    files={
        "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
        "sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n",
    },
    packages={"bash": "5.2.15-2"},
    programs={"usr/bin/nvidia-smi": "NVIDIA GeForce RTX 4070, 8.9, 550.54.15, 12282 MiB"},
)

CARD_WITHOUT_DRIVER = ConstructedBoard(DESKTOP.files, {**GSTREAMER, "ubuntu-drivers-common": "1:0.9.7.6ubuntu3.1"})

RASPBERRY_PI = ConstructedBoard({"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"})
