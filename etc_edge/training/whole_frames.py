"""A teacher on whole frames: a network of ours or any bundle, over one view or several."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from etc_edge.core.bundle import Bundle, is_bundle
from etc_edge.core.errors import CheckpointError, RecipeError
from etc_edge.core.hashing import sha256_bytes, sha256_file
from etc_edge.core.labels import LabelSet
from etc_edge.core.optional import require
from etc_edge.core.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from etc_edge.losses.pairwise import pooled
from etc_edge.models.base import SegmentationNetwork
from etc_edge.models.checkpoint import load_checkpoint
from etc_edge.models.released import load_released, read_metadata
from etc_edge.models.table import build_network
from etc_edge.training.embedding import Embedding
from etc_edge.training.frames import fitted
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.recipe import TeacherRecipe

UInt8 = npt.NDArray[np.uint8]
Half = npt.NDArray[np.float16]


# Finer maps than these only cost space: four pixels are the finest that our networks label by themselves.
FINEST_STRIDE = 4


class FrameTeacher(Protocol):
    """Gives what is kept of a whole frame; its logits stand `stride` pixels apart."""

    gives_features: bool
    stride: int

    def __call__(self, image: UInt8, /) -> tuple[Half, Half | None]:
        """Of a frame, uint8 (H, W, 3): logits float16 (classes, h, w), features float16 (D, h', w') or None."""


class NetworkTeacher:
    """See FrameTeacher. Logits are the logarithm of the mean of probabilities over all views.

    Args:
        network: in evaluation, on the device of `normalise`.
        normalise: to what it was trained on.
        recipe: scales, mirroring and strides.
    """

    gives_features = True

    def __init__(self, network: nn.Module, normalise: Normalisation, recipe: TeacherRecipe) -> None:
        self._network, self._normalise, self._recipe = network.eval(), normalise, recipe
        self._embedding = Embedding(network)
        self.stride = recipe.stride or max(cast(SegmentationNetwork, network).logits_stride, FINEST_STRIDE)

    @torch.no_grad()
    def __call__(self, image: UInt8) -> tuple[Half, Half | None]:
        """See FrameTeacher."""
        images = self._normalise(torch.from_numpy(image)[None])
        size_hw, features = (int(images.shape[2]), int(images.shape[3])), None
        total: Tensor | None = None
        for scale in self._recipe.scales:
            view = images
            if scale != 1.0:
                scaled = (round(size_hw[0] * scale), round(size_hw[1] * scale))
                view = functional.interpolate(images, size=scaled, mode="bilinear", align_corners=True)
            for mirrored in (False, True) if self._recipe.flip else (False,):
                logits = self._network(view.flip(3) if mirrored else view).float()
                taken = self._embedding.taken()
                if features is None:
                    features = taken
                probabilities = _resized(logits.flip(3) if mirrored else logits, size_hw, self.stride)
                total = probabilities.softmax(1) if total is None else total + probabilities.softmax(1)
        assert total is not None
        assert features is not None
        cells = _cells(size_hw, 2 * self.stride)
        return _half(total.clamp_min(1e-12).log()), _half(pooled(features, cells))


class BundleTeacher:
    """See FrameTeacher. Any graph, run by ONNX Runtime; it gives no features.

    Args:
        bundle: in float.
        recipe: strides; views of other sizes are not to be had from a graph of one size.

    Raises:
        RecipeError: the recipe asks for other scales.
        DependencyError: ONNX Runtime is not installed.
    """

    gives_features = False

    def __init__(self, bundle: Bundle, recipe: TeacherRecipe) -> None:
        from etc_edge.graph.heads import output_logits
        from etc_edge.graph.load import load_model, to_bytes
        from etc_edge.graph.view import GraphView

        if recipe.scales != (1.0,):
            raise RecipeError(
                f"Found teacher.scales for the bundle {bundle.path}, expected none: its graph has one size.",
                "Leave scales out, or name the weights that the bundle was exported from.",
            )
        ort: Any = require("onnxruntime", "onnxruntime", "a bundle as the teacher")
        model = output_logits(load_model(bundle.model_path), bundle.manifest.logits)
        self._session = ort.InferenceSession(to_bytes(model), providers=["CPUExecutionProvider"])
        self._bundle, self._recipe = bundle, recipe
        rows = GraphView(model).static_shape(bundle.manifest.logits)[2]
        self.stride = recipe.stride or max(-(-bundle.preprocessing.size_hw[0] // rows), FINEST_STRIDE)

    def __call__(self, image: UInt8) -> tuple[Half, Half | None]:
        """See FrameTeacher."""
        picture = fitted(image, self._bundle.preprocessing.size_hw)
        total: Tensor | None = None
        for mirrored in (False, True) if self._recipe.flip else (False,):
            view = np.ascontiguousarray(picture[:, ::-1] if mirrored else picture)
            (values,) = self._session.run([self._bundle.manifest.logits], {"frame": view[None]})
            logits = torch.from_numpy(np.asarray(values, np.float32))
            logits = _resized(logits.flip(3) if mirrored else logits, image.shape[:2], self.stride)
            total = logits.softmax(1) if total is None else total + logits.softmax(1)
        assert total is not None
        return _half(total.clamp_min(1e-12).log()), None


def open_frame_teacher(recipe: TeacherRecipe, labels: LabelSet, device: torch.device) -> FrameTeacher:
    """The teacher that a recipe names, for whole frames.

    Raises:
        RecipeError: it has other classes, or its network is not named.
        CheckpointError, BundleError: the file is missing or does not fit.
    """
    if is_bundle(recipe.path):
        bundle = Bundle.open(recipe.path)
        _check_classes(bundle.labels, labels, recipe.path)
        return BundleTeacher(bundle, recipe)
    return NetworkTeacher(*load_teacher_network(recipe, labels, device), recipe)


def check_teacher(recipe: TeacherRecipe) -> bool:
    """Whether a teacher that is there gives features, found without loading it.

    Raises:
        CheckpointError: nothing is at its path.
    """
    if is_bundle(recipe.path):
        return False
    if not Path(recipe.path).is_file():
        raise CheckpointError(
            f"Found no teacher at {recipe.path}.", "Set teacher.path, or --teacher, to weights or a bundle."
        )
    return True


def load_teacher_network(
    recipe: TeacherRecipe, labels: LabelSet, device: torch.device
) -> tuple[nn.Module, Normalisation]:
    """The network behind weights, in evaluation on a device, and its normalisation.

    Raises:
        RecipeError: it has other classes, or its network is not named.
        CheckpointError: the file is missing or does not fit.
    """
    check_teacher(recipe)
    path = Path(recipe.path)
    if path.suffix == ".safetensors" and "network" in read_metadata(path):
        released = load_released(path)
        _check_classes(released.labels, labels, recipe.path)
        shape = released.preprocessing
        return released.network.to(device), Normalisation(shape.mean_rgb, shape.std_rgb, device)
    if recipe.network is None:
        raise RecipeError(f"Found the teacher {path}, which does not say its network.", "Name it in teacher.network.")
    network = build_network(recipe.network, len(labels), auxiliary=False)
    load_checkpoint(network, path)
    return network.eval().to(device), Normalisation(IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, device)


def teacher_identity(recipe: TeacherRecipe, size_hw: tuple[int, int]) -> str:
    """A digest of everything that the kept outputs depend on."""
    path = Path(recipe.path)
    weights = Bundle.open(path).hash if is_bundle(path) else sha256_file(path)
    settings = (weights, recipe.network, recipe.scales, recipe.flip, recipe.stride, size_hw)
    return sha256_bytes(repr(settings).encode())[:16]


def _check_classes(found: LabelSet, labels: LabelSet, where: str) -> None:
    if found.names != labels.names:
        raise RecipeError(
            f"Found the teacher {where} with the classes {', '.join(found.names)}, "
            f"expected those of the data: {', '.join(labels.names)}."
        )


def _resized(logits: Tensor, size_hw: tuple[int, ...], stride: int) -> Tensor:
    return functional.interpolate(logits, size=_cells(size_hw, stride), mode="bilinear", align_corners=True)


def _cells(size_hw: tuple[int, ...], stride: int) -> tuple[int, int]:
    return -(-size_hw[0] // stride), -(-size_hw[1] // stride)


def _half(values: Tensor) -> Half:
    return np.asarray(values[0].to(torch.float16).cpu().numpy())
