"""Small untrained networks with the synthetic street's classes, as ONNX files and as bundles."""

from __future__ import annotations

from pathlib import Path

import onnx

from etc_edge.core.bundle import Bundle
from etc_edge.frames.street.classes import STREET_CLASSES
from etc_edge.quantization.recipe import CalibrationRecipe, QuantizeRecipe
from etc_edge.stages.export import ExportOptions, export
from etc_edge.stages.quantize import quantize
from tests.small_networks import network

DATA = "synthetic:street?size=64x96&frames=3&train=2&val=2"
RECIPE = QuantizeRecipe(calibration=CalibrationRecipe(split="train", frames=6))


def write_onnx(folder: Path, block: str = "concat", name: str = "small") -> Path:
    """`NAME.onnx` and `classes.yaml` in a folder."""
    path = folder / f"{name}.onnx"
    onnx.save(network(block, classes=len(STREET_CLASSES)), path)
    classes = "\n".join(f"  - {name}" for name in STREET_CLASSES.names)
    (folder / "classes.yaml").write_text(f"names:\n{classes}\n", encoding="utf-8")
    return path


def float_bundle(folder: Path, block: str = "concat", name: str = "small") -> Bundle:
    """`NAME.etc` in a folder: 32×48, nine classes."""
    options = ExportOptions(classes=folder / "classes.yaml")
    return export(write_onnx(folder, block, name), folder / f"{name}.etc", options).bundle


def int8_bundle(floating: Bundle, target: str = "cpu") -> Bundle:
    """`NAME-int8.etc` beside a float bundle."""
    out = floating.path.with_name(f"{floating.path.stem}-int8.etc")
    return quantize(floating.path, out, RECIPE, DATA, target).bundle
