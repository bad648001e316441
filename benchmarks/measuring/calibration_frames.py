"""The frames that a quantizer looks at: those of a recipe of ours, the same for everyone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError
from etc_edge.core.shipped import find_shipped
from etc_edge.data.dataset import Dataset
from etc_edge.data.sampling import CalibrationList, listed_frames, load_list, sample_list, without_frames
from etc_edge.frames.preprocess import fit_frame, fit_labels
from etc_edge.quantization.recipe import CalibrationRecipe, QuantizeRecipe

UInt8 = npt.NDArray[np.uint8]

VOID = 255
"""What peers leave out of their metric, whatever the data set's own value is."""


def recipe_of(bundle: Bundle) -> QuantizeRecipe:
    """The recipe that an INT8 bundle says it was quantized with.

    Raises:
        BundleError: it says none.
    """
    noted = bundle.manifest.recipe.get("quantize", {})
    try:
        return msgspec.convert(
            {name: noted[name] for name in QuantizeRecipe.__struct_fields__ if name in noted}, QuantizeRecipe
        )
    except msgspec.ValidationError as error:
        raise BundleError(f"Found no recipe in {bundle.path} that can be followed: {error}.") from error


def with_frames(recipe: QuantizeRecipe, frames: int | None) -> QuantizeRecipe:
    """The recipe with `frames` frames spread over its split instead; as it is where None."""
    if frames is None:
        return recipe
    calibration = CalibrationRecipe(split=recipe.calibration.split, frames=frames)
    return msgspec.structs.replace(recipe, calibration=calibration)


def listed(dataset: Dataset, recipe: QuantizeRecipe) -> CalibrationList:
    """Which frames `etc-edge quantize` looks at under a recipe."""
    wanted = recipe.calibration
    if wanted.list is not None:
        return load_list(find_shipped("calibration", wanted.list))
    return sample_list(dataset, wanted.split, wanted.frames)


def held_back(dataset: Dataset, chosen: CalibrationList, at_most: int) -> CalibrationList | None:
    """Frames of the same split that a list does not have, spread over it; None where it has every one."""
    used = frozenset((run.clip, index) for run in chosen.runs() for index in run.indices())
    every = sum(len(clip) for clip in dataset.clips(chosen.split))
    if every == len(used):
        return None
    left = without_frames(sample_list(dataset, chosen.split, every), used)
    picked = np.unique(np.linspace(0, len(left.clips) - 1, min(at_most, len(left.clips))).round().astype(int))
    return msgspec.structs.replace(left, clips=tuple(left.clips[number] for number in picked))


def save_frames(dataset: Dataset, chosen: CalibrationList, size_hw: tuple[int, int], path: Path) -> int:
    """Write frames at the network's size as one uint8 array (N, H, W, 3), and say how many.

    Their labels, uint8 (N, H, W) with VOID where there are none, go beside them: see `labels_of`.
    """
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (chosen.frame_count, *size_hw, 3))
    truth = np.lib.format.open_memmap(labels_of(path), "w+", np.uint8, (chosen.frame_count, *size_hw))
    truth[:] = VOID
    for number, frame in enumerate(listed_frames(dataset, chosen)):
        array[number] = fit_frame(frame.image_rgb, size_hw)
        if frame.labels is not None:
            labels = fit_labels(frame.labels, size_hw)
            truth[number] = np.where(labels == dataset.label_set.void, VOID, labels)
    array.flush()
    truth.flush()
    return chosen.frame_count


def labels_of(frames: Path) -> Path:
    """Where the labels of saved frames are."""
    return frames.with_suffix(".labels.npy")


def split_frames(dataset: Dataset, split: str, count: int, size_hw: tuple[int, int]) -> list[UInt8]:
    """Frames spread over a split, at the network's size, to time on."""
    return [fit_frame(frame.image_rgb, size_hw) for frame in listed_frames(dataset, sample_list(dataset, split, count))]
