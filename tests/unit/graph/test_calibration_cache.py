from __future__ import annotations

import struct

import pytest

from etc_edge.core.errors import CalibrationError
from etc_edge.graph.calibration_cache import calibration_cache


def test_lines_are_those_of_a_published_table() -> None:
    """`relu46: 3c92aa10` stands for the scale 0.0179033577 (NVIDIA's forum, "float value of the scale factor")."""
    text = calibration_cache({"relu46": 0.0179033577 * 127}, "8.6.1").decode()
    assert text == "TRT-8601-EntropyCalibration2\nrelu46: 3c92aa10\n"


def test_names_and_scales_come_back() -> None:
    magnitudes = {"image": 2.64, "/layer1/Relu_output_0": 6.0}
    header, *lines = calibration_cache(magnitudes, "8.5.2").decode().splitlines()
    assert header == "TRT-8502-EntropyCalibration2"
    read = {name: struct.unpack(">f", bytes.fromhex(digits))[0] for name, digits in (row.split(": ") for row in lines)}
    assert read == {name: pytest.approx(value / 127, rel=1e-6) for name, value in magnitudes.items()}


def test_from_ten_on_versions_have_more_digits() -> None:
    assert calibration_cache({}, "10.3.0").startswith(b"TRT-100300-")


@pytest.mark.parametrize("version", ["11.0.0", "latest", "8", ""])
def test_versions_without_a_calibrator_are_refused(version: str) -> None:
    with pytest.raises(CalibrationError, match="TensorRT"):
        calibration_cache({}, version)
