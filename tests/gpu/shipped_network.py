"""The shipped network in INT8, by calibration on frames of the synthetic street."""

from __future__ import annotations

from pathlib import Path

from etc_edge.core.bundle import Bundle
from etc_edge.quantization.recipe import CalibrationRecipe, QuantizeRecipe
from etc_edge.stages.demo import MODEL
from etc_edge.stages.quantize import quantize

DATA = "synthetic:street?size=288x512&seed=11&frames=3&train=2"


def quantized(folder: Path) -> Bundle:
    """`street_small-int8.etc` in a folder."""
    recipe = QuantizeRecipe(calibration=CalibrationRecipe(split="train", frames=6))
    return quantize(MODEL, folder / "street_small-int8.etc", recipe, DATA, "cpu").bundle
