"""What a training recipe may say; the defaults are the schedule and augmentation of the ETC authors."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from etc_edge.core.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from etc_edge.losses.recipe import CrossEntropyRecipe, LossRecipe

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0.0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Side = Annotated[int, msgspec.Meta(ge=8, le=16384)]


class _Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class DataRecipe(_Recipe, frozen=True, kw_only=True):
    """Which frames are trained on.

    Args:
        path: folder or spec of the data set; the command's --data comes before it.
        kind: kind of data set, or None to find out.
        split: the split that is trained on.
        holdout: share of the split's labelled frames that is kept out of training to watch progress on.
        holdout_blocks: the number of runs of neighbouring frames that the kept-out share is cut into.
    """

    path: str | None = None
    kind: str | None = None
    split: str = "train"
    holdout: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.05
    holdout_blocks: Count = 3


class AugmentationRecipe(_Recipe, frozen=True, kw_only=True):
    """The random transform of a sample; all frames of a sample get the same one.

    Args:
        crop_hw: size of the training crop.
        scale: range of the random scale, relative to the network's input size.
        rotation_deg: greatest rotation either way.
        rotation_p, blur_p, flip_p: probabilities.
        jitter: greatest relative change of brightness, contrast and saturation; 0 switches it off.
    """

    crop_hw: tuple[Side, Side]
    scale: tuple[Positive, Positive] = (0.5, 2.0)
    rotation_deg: NonNegative = 10.0
    rotation_p: Share = 0.5
    blur_p: Share = 0.5
    flip_p: Share = 0.5
    jitter: Share = 0.0


class StillsRecipe(_Recipe, frozen=True, kw_only=True, tag_field="source", tag="stills"):
    """Other frames are moved, relit, noisy copies of the labelled one: exact flow for data without neighbours.

    Args:
        frames: frames of a sample, the labelled one included.
        shift: greatest motion of the picture's middle, as a share of the crop's width.
        zoom: greatest relative change of size.
        rotation_deg: greatest turn.
        jitter: greatest relative change of brightness, contrast and saturation from frame to frame.
        noise: greatest standard deviation of sensor noise, in levels of 255; each sample draws its own from 0 up, and
            each of its frames has noise of its own.
    """

    frames: Annotated[int, msgspec.Meta(ge=2, le=3)] = 2
    shift: Share = 0.04
    zoom: Share = 0.06
    rotation_deg: NonNegative = 2.0
    jitter: Share = 0.1
    noise: NonNegative = 3.0


class DenseRecipe(_Recipe, frozen=True, kw_only=True, tag_field="source", tag="dense"):
    """Other frames are neighbours in the clip (ETC: within ±3).

    Args:
        frames: frames of a sample, the labelled one included; of three, one comes before it and one after.
        gap: greatest distance in frames.
        flow: `exact`, which the synthetic street brings from a frame to its next, or the name of an estimator.
        store: folder where estimated flow is kept between epochs and runs; None estimates it anew each time.
    """

    frames: Annotated[int, msgspec.Meta(ge=2, le=3)] = 2
    gap: Count = 3
    flow: str = "dis-medium"
    store: str | None = None


PairsRecipe = StillsRecipe | DenseRecipe


class TeacherRecipe(_Recipe, frozen=True, kw_only=True):
    """The network that is distilled from.

    Args:
        path: released weights (safetensors), a checkpoint, or a bundle. A bundle gives logits and no features.
        network: the network's name where `path` is a checkpoint, which does not say it.
        cached: whether its outputs on whole frames are worked out once, kept, and moved as the frames are; else it
            runs on every crop of every step. A bundle is always cached.
        scales, flip: cached outputs are the mean of its probabilities over views of these sizes, mirrored too.
        stride: of cached logits, in pixels of the input; None for that of the teacher's own logits, but not below 4.
            Thin classes are lost at a coarser one. Features are kept at twice that.
    """

    path: str
    network: str | None = None
    cached: bool = True
    scales: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1)] = (1.0,)
    flip: bool = False
    stride: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None


class OptimizerRecipe(_Recipe, frozen=True, kw_only=True):
    """SGD with momentum, or AdamW (which ignores `momentum`); heads learn `head_lr_factor` times as fast."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: Positive = 0.01
    head_lr_factor: Positive = 10.0
    momentum: Share = 0.9
    weight_decay: NonNegative = 1e-4


class ScheduleRecipe(_Recipe, frozen=True, kw_only=True):
    """Length of training; the rate falls as (1 − iteration / iterations) ** `poly_power`, or along half a cosine.

    `steps` counts iterations and comes before `epochs`. A batch that does not fit into memory is taken in
    `accumulate` parts, whose gradients are added up.
    """

    epochs: Count = 200
    steps: Count | None = None
    batch_size: Count = 8
    accumulate: Count = 1
    curve: Literal["poly", "cosine"] = "poly"
    poly_power: NonNegative = 0.9
    warmup_iterations: Annotated[int, msgspec.Meta(ge=0)] = 0


class LearningRecipe(_Recipe, frozen=True, kw_only=True):
    """What the loop follows, whatever it trains.

    Args:
        pairs: where the other frames of a sample come from, for terms that compare frames; None for single frames.
        losses: terms of the loss and their weights.
        schedule: see there.
        ema_decay: keep a moving average of the weights and release that; None for no average.
        seed: of the weights, the order and the augmentation.
        precision: `auto` takes bf16 where the processor has it.
        workers: processes that read and augment.
        checkpoint_every_s: seconds between checkpoints.
    """

    pairs: PairsRecipe | None = None
    losses: Annotated[tuple[LossRecipe, ...], msgspec.Meta(min_length=1)] = (CrossEntropyRecipe(),)
    schedule: ScheduleRecipe = ScheduleRecipe()
    ema_decay: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    workers: Annotated[int, msgspec.Meta(ge=0)] = 2
    checkpoint_every_s: NonNegative = 60.0


class TrainRecipe(LearningRecipe, frozen=True, kw_only=True):
    """A whole training run of a network of the table.

    Args:
        network: name of the network.
        input_size_hw: size that frames are resized to, in training as on the device.
        augmentation: the random transform.
        data: which frames.
        teacher: what is distilled from, for terms that need a teacher.
        optimizer: see there.
        pretrained: file of ImageNet weights for the backbone, relative to the command's --weights folder.
        start: file of weights of the whole network to go on from, instead of `pretrained`; a missing auxiliary
            head starts fresh. The command's --start comes before it.
        mean_rgb, std_rgb: normalisation, in 0–255 units.
    """

    network: str
    input_size_hw: tuple[Side, Side]
    augmentation: AugmentationRecipe
    data: DataRecipe = DataRecipe()
    teacher: TeacherRecipe | None = None
    optimizer: OptimizerRecipe = OptimizerRecipe()
    pretrained: str | None = None
    start: str | None = None
    mean_rgb: tuple[float, float, float] = IMAGENET_MEAN_RGB
    std_rgb: tuple[Positive, Positive, Positive] = IMAGENET_STD_RGB
