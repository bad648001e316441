"""From a checkpoint or an ONNX file to an FP32 bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from etc_edge.backends.onnxruntime.reference import run_reference
from etc_edge.core.bundle import Bundle, BundleContents, SelfTest, check_bundle_path, write_bundle
from etc_edge.core.errors import CheckpointError, GraphError
from etc_edge.core.hashing import sha256_file
from etc_edge.core.labels import LabelSet, distinct_color
from etc_edge.core.optional import require
from etc_edge.core.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, ColorOrder, Preprocessing
from etc_edge.core.progress import Progress, Silent
from etc_edge.frames.source import open_source
from etc_edge.graph.heads import Upsampling, append_labels_head, output_logits
from etc_edge.graph.load import load_model, to_bytes
from etc_edge.graph.preprocess import FRAME, prepend_preprocessing
from etc_edge.graph.simplify import network_input, simplify
from etc_edge.graph.view import GraphView

TOLERANCE = 1e-4
"""Largest difference of logits from the original's, in parts of the largest logit."""

SELFTEST_FRAMES = 2


@dataclass(frozen=True)
class ExportOptions:
    """What the user says of a model; None takes what the model itself says, or the default.

    Args:
        name: the bundle's name; the file's stem when None.
        classes: the classes, or a `classes.yaml` that lists them.
        size_hw: input size.
        mean_rgb, std_rgb: normalisation in 0–255 units, red, green, blue; ImageNet's by default.
        color: the order in which the network takes the colours; RGB by default.
        upsampling: how logits are enlarged to the input's size; by default `align_corners` for networks of ours,
            which are trained so, and `half_pixel` for ONNX files.
        network: name of the network that a foreign checkpoint holds.
    """

    name: str | None = None
    classes: Path | LabelSet | None = None
    size_hw: tuple[int, int] | None = None
    mean_rgb: tuple[float, float, float] | None = None
    std_rgb: tuple[float, float, float] | None = None
    color: ColorOrder | None = None
    upsampling: Upsampling | None = None
    network: str | None = None

    def labels(self) -> LabelSet | None:
        """The classes, read where they are in a file.

        Raises:
            DatasetError: the file is missing or does not describe classes.
        """
        return LabelSet.from_yaml(self.classes) if isinstance(self.classes, Path) else self.classes


@dataclass(frozen=True)
class _Original:
    """A network before deployment: float NCHW in, logits out."""

    model: onnx.ModelProto
    labels: LabelSet
    preprocessing: Preprocessing
    upsampling: Upsampling
    recipe: dict[str, Any]


@dataclass(frozen=True)
class ExportReport:
    """The new bundle and the largest difference of its logits from the original's, in parts of the largest."""

    bundle: Bundle
    difference: float


def export(
    source: Path, out: Path, options: ExportOptions = ExportOptions(), progress: Progress | None = None
) -> ExportReport:
    """Make an FP32 bundle: simplified, batch norm folded, preprocessing and labels head inside, and checked.

    Args:
        source: an ONNX file with one float NCHW input and one logits output, a released `.safetensors`, or a
            checkpoint of a network of ours.
        out: the bundle to write, `NAME.etc`.
        options: what the source does not say itself.
        progress: told what goes on.

    Raises:
        EtcEdgeError: the source is missing, damaged or of an unsupported kind, or the deployed graph does not
            give the original's logits to 1e-4.
    """
    progress = progress or Silent()
    check_bundle_path(out)
    progress.say(f"reading {source}")
    original = _from_onnx(source, options) if source.suffix == ".onnx" else _from_checkpoint(source, options)
    progress.say("simplifying the graph")
    network = simplify(original.model, original.preprocessing.size_hw)
    with_frames = prepend_preprocessing(network, original.preprocessing)
    deployed, logits = append_labels_head(
        with_frames, len(original.labels), original.preprocessing.size_hw, original.upsampling
    )
    frames = selftest_frames(original.preprocessing.size_hw)
    progress.say("comparing with the original")
    difference = _difference(original, deployed, logits, frames)
    if not difference <= TOLERANCE:
        raise GraphError(
            f"The deployed graph's logits differ from the original's by {difference:.1e} of the largest, "
            f"expected at most {TOLERANCE:.0e}."
        )
    model = to_bytes(deployed)
    bundle = write_bundle(
        out,
        BundleContents(
            name=options.name or source.stem,
            precision="fp32",
            labels=original.labels,
            preprocessing=original.preprocessing,
            logits=logits,
            model=model,
            selftest=SelfTest(frames, labels_of(model, frames)),
            parents=(sha256_file(source),),
            recipe={"export": {**original.recipe, "source": source.name, "upsampling": original.upsampling}},
        ),
    )
    return ExportReport(bundle, difference)


def selftest_frames(size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Frames of the synthetic street, uint8 (N, H, W, 3): the same for every bundle of a size."""
    height, width = size_hw
    with open_source(
        f"synthetic:street?size={max(height, 64)}x{max(width, 64)}&seed=1&frames={SELFTEST_FRAMES}"
    ) as street:
        images = [frame.image_rgb[:height, :width] for frame in street]
    return np.ascontiguousarray(np.stack(images))


def labels_of(model: bytes, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Labels that a deployed graph gives by the letter of the specification, uint8 (N, H, W)."""
    return np.concatenate([run_reference(model, {FRAME: frame[None]})[0] for frame in frames])


def _from_onnx(source: Path, options: ExportOptions) -> _Original:
    model = load_model(source)
    _, (_, _, *size_hw) = network_input(model, options.size_hw)
    labels = options.labels() or _numbered_classes(simplify(model, options.size_hw))
    preprocessing = Preprocessing(
        (size_hw[0], size_hw[1]),
        options.mean_rgb or IMAGENET_MEAN_RGB,
        options.std_rgb or IMAGENET_STD_RGB,
        options.color or "rgb",
    )
    return _Original(model, labels, preprocessing, options.upsampling or "half_pixel", {})


def _numbered_classes(network: onnx.ModelProto) -> LabelSet:
    """One class a channel of the logits, where nobody says what they are called."""
    output = network.graph.output[0].name
    shape = GraphView(network).shape(output)
    if shape is None or len(shape) != 4:
        raise GraphError(f"Found output {output!r} of shape {shape}, expected logits (1, classes, h, w).")
    indices = range(shape[1])
    return LabelSet(tuple(f"class {index}" for index in indices), tuple(distinct_color(index) for index in indices))


def _from_checkpoint(source: Path, options: ExportOptions) -> _Original:
    require("torch", "train", "export from a checkpoint")
    from etc_edge.models.checkpoint import load_checkpoint
    from etc_edge.models.onnx_export import to_onnx
    from etc_edge.models.released import Released, load_released
    from etc_edge.models.table import build_network

    if not source.is_file():
        raise CheckpointError(f"Found no checkpoint at {source}.")
    if source.suffix == ".safetensors" and options.network is None:
        released = load_released(source)
    else:
        labels = options.labels()
        if options.network is None or labels is None or options.size_hw is None:
            raise CheckpointError(
                f"Found {source}, which does not say what it holds.",
                "Name its network, classes and input size: --network NAME --classes FILE --size HxW.",
            )
        network = build_network(options.network, len(labels), auxiliary=False)
        load_checkpoint(network, source)
        released = Released(options.network, network.eval(), labels, Preprocessing(options.size_hw))
    own = released.preprocessing
    preprocessing = Preprocessing(
        options.size_hw or own.size_hw,
        options.mean_rgb or own.mean_rgb,
        options.std_rgb or own.std_rgb,
        options.color or own.color,
    )
    model = to_onnx(released.network, preprocessing.size_hw)
    return _Original(
        model,
        options.labels() or released.labels,
        preprocessing,
        options.upsampling or "align_corners",
        {"network": released.name, **released.notes},
    )


def _difference(original: _Original, deployed: onnx.ModelProto, logits: str, frames: npt.NDArray[np.uint8]) -> float:
    """The largest difference of logits over all frames, in parts of the largest logit of the original."""
    view = GraphView(original.model)
    inputs, output = view.inputs()[0].name, original.model.graph.output[0].name
    last = view.producer[output]
    if last.op_type in ("Softmax", "LogSoftmax") and logits != output:
        output = str(last.input[0])  # the head took the softmax off
    reference_model, deployed_model = (
        to_bytes(output_logits(original.model, output)),
        to_bytes(output_logits(deployed, logits)),
    )
    worst = 0.0
    for frame in frames:
        image = normalised(frame, original.preprocessing)
        (reference,) = run_reference(reference_model, {inputs: image}, [output], optimized=True)
        (found,) = run_reference(deployed_model, {FRAME: frame[None]}, [logits], optimized=True)
        difference = float(np.abs(found - reference).max() / max(np.abs(reference).max(), 1e-30))
        if not np.isfinite(difference):
            raise GraphError(
                "Found logits that are not finite on a picture of a street.",
                "Check the weights, and that --mean, --std and --color are those of the training.",
            )
        worst = max(worst, difference)
    return worst


def normalised(frame: npt.NDArray[np.uint8], preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """What the network is given for a frame, float32 (1, 3, H, W), worked out apart from the graph."""
    mean, std = np.array(preprocessing.mean_rgb), np.array(preprocessing.std_rgb)
    image = ((frame.astype(np.float64) - mean) / std).astype(np.float32)
    if preprocessing.color == "bgr":
        image = image[..., ::-1]
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])
