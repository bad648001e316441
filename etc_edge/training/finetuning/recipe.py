"""What a quantization recipe may say about fine-tuning: its section `finetune`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from etc_edge.losses.recipe import (
    LABELLED_TERMS,
    CrossEntropyRecipe,
    LossRecipe,
    PairwiseRecipe,
    SingleFrameRecipe,
    TemporalRecipe,
)
from etc_edge.training.recipe import (
    AugmentationRecipe,
    Count,
    DataRecipe,
    LearningRecipe,
    NonNegative,
    PairsRecipe,
    Positive,
    ScheduleRecipe,
    Share,
    StillsRecipe,
)

Metric = Literal["miou", "tc", "flicker", "agreement"]

LABEL_FREE: tuple[LossRecipe, ...] = (
    SingleFrameRecipe(weight=1.0, direction="teacher_student"),
    PairwiseRecipe(weight=1.0),
    TemporalRecipe(weight=1.0, mask="visible"),
)
"""Be as the float network says, in every frame and from frame to frame, and steady."""

LABELLED: tuple[LossRecipe, ...] = (
    CrossEntropyRecipe(weight=0.5, frames="all", class_weights="balanced"),
    SingleFrameRecipe(weight=1.0, direction="teacher_student", class_weights="balanced"),
    TemporalRecipe(weight=10.0, mask="visible"),
)
"""Be right, as the float network says, and steady; thin classes are not to pay for that."""


class _Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class WholeFrameRecipe(_Recipe, frozen=True, kw_only=True):
    """The random transform of a sample. A graph has one size, so samples are as large as its frames.

    Args:
        scale: range of the random scale; what is larger than the frame is cut.
        rotation_deg, rotation_p, blur_p, flip_p, jitter: see AugmentationRecipe.
    """

    scale: tuple[Positive, Positive] = (1.0, 1.3)
    rotation_deg: NonNegative = 0.0
    rotation_p: Share = 0.0
    blur_p: Share = 0.0
    flip_p: Share = 0.5
    jitter: Share = 0.1

    def for_size(self, size_hw: tuple[int, int]) -> AugmentationRecipe:
        """The same for frames of a size."""
        return AugmentationRecipe(crop_hw=size_hw, **msgspec.structs.asdict(self))


class ExaminationRecipe(_Recipe, frozen=True, kw_only=True):
    """How fine-tuning is watched, on frames of the training clips that it does not train on.

    Args:
        every_steps: steps from one look to the next.
        metrics: figures whose sum chooses the weights that are kept, flicker counted negative; None takes miou and tc
            where there are labels, else agreement (with the float network's labels) and tc.
        patience: so many looks without a better sum end the run; None goes through all steps.
        frames: at most so many frames, spread over those that are held back.
    """

    every_steps: Count = 50
    metrics: Annotated[tuple[Metric, ...], msgspec.Meta(min_length=1)] | None = None
    patience: Count | None = 4
    frames: Count = 48


class FinetuneRecipe(_Recipe, frozen=True, kw_only=True):
    """How an INT8 graph is trained further, its weights and its scales.

    Args:
        steps: number of steps; the rates fall to 0 along half a cosine.
        batch_size: samples of a step, each of one, two or three frames.
        accumulate: a batch is taken in so many parts.
        lr: Adam's rate for weights and biases.
        scale_lr: Adam's rate for the logarithms of scales.
        warmup_steps: the rates rise over the first steps.
        data: which frames; the command's --data comes before its path.
        augmentation: the random transform.
        pairs: where the other frames of a sample come from; None for single frames.
        losses: terms and weights. With cross_entropy or jaccard labelled frames are needed; the teacher of
            single_frame and pairwise is the float bundle that the INT8 one was made from.
        ema_decay: average the weights and scales, and keep the average; None for no average.
        examination: how it is watched.
        seed: of order and augmentation.
        workers: processes that read and augment.
        checkpoint_every_s: seconds between checkpoints.
    """

    steps: Count = 300
    batch_size: Count = 2
    accumulate: Count = 1
    lr: Positive = 2e-5
    scale_lr: Positive = 5e-4
    warmup_steps: Annotated[int, msgspec.Meta(ge=0)] = 20
    data: DataRecipe = DataRecipe(holdout=0.1, holdout_blocks=4)
    augmentation: WholeFrameRecipe = WholeFrameRecipe()
    pairs: PairsRecipe | None = StillsRecipe()
    losses: Annotated[tuple[LossRecipe, ...], msgspec.Meta(min_length=1)] = LABEL_FREE
    ema_decay: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] | None = 0.98
    examination: ExaminationRecipe = ExaminationRecipe()
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    workers: Annotated[int, msgspec.Meta(ge=0)] = 1
    checkpoint_every_s: NonNegative = 60.0

    @property
    def needs_labels(self) -> bool:
        """Whether a term of the loss is about labels."""
        return any(isinstance(entry, LABELLED_TERMS) for entry in self.losses)

    def learning(self) -> LearningRecipe:
        """What the training loop follows. Codes do not survive shorter floats, so it is 32-bit throughout."""
        schedule = ScheduleRecipe(
            steps=self.steps,
            batch_size=self.batch_size,
            accumulate=self.accumulate,
            curve="cosine",
            warmup_iterations=self.warmup_steps,
        )
        return LearningRecipe(
            pairs=self.pairs,
            losses=self.losses,
            schedule=schedule,
            ema_decay=self.ema_decay,
            seed=self.seed,
            precision="fp32",
            workers=self.workers,
            checkpoint_every_s=self.checkpoint_every_s,
        )
