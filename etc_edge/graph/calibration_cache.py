"""A calibration cache for `trtexec --calib`: the ranges of a bundle for TensorRT 8 to 10 without Q/DQ pairs."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from etc_edge.core.errors import CalibrationError

HEADER = "TRT-{version}-EntropyCalibration2"


def calibration_cache(magnitudes: Mapping[str, float], tensorrt_version: str) -> bytes:
    """Text that TensorRT reads instead of calibrating.

    A line names the version and the calibrator; then comes a line a tensor, `name: scale`, the scale being the largest
    magnitude / 127 as a 32-bit float in hexadecimal digits, most significant byte first (NVIDIA's sampleINT8).

    Args:
        magnitudes: largest magnitude of each tensor of the float graph that `trtexec` is given.
        tensorrt_version: of the TensorRT that will read it, such as 8.6.1 or 10.3.0; it refuses others.

    Raises:
        CalibrationError: no version number, or one from which on there is no calibrator.
    """
    numbers = re.findall(r"\d+", tensorrt_version)
    if len(numbers) < 2 or not re.fullmatch(r"\d+(\.\d+)+", tensorrt_version):
        raise CalibrationError(f"Found the TensorRT version {tensorrt_version!r}, expected one such as 8.6.1.")
    major, minor, patch = (int(number) for number in [*numbers, "0"][:3])
    if major > 10:
        raise CalibrationError(
            f"Found TensorRT {tensorrt_version}, which has no calibrator.", "Compile the bundle: its pairs say it all."
        )
    # Two digits for each part but the last up to 8.x (8601), and from 10 on a number of thousands (100300).
    version = f"{major}{minor}{patch:02d}" if major < 10 else f"{major}{minor:02d}{patch:02d}"
    lines = [HEADER.format(version=version)]
    for name, magnitude in magnitudes.items():
        lines.append(f"{name}: {struct.pack('>f', magnitude / 127).hex()}")
    return ("\n".join(lines) + "\n").encode()
