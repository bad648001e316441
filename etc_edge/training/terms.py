"""The loss of a recipe: its terms with their weights, checked against what the data and the teacher give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from etc_edge.core.errors import RecipeError
from etc_edge.losses.table import TERMS
from etc_edge.losses.term import Need, StepOutputs, Term
from etc_edge.training.recipe import LearningRecipe, StillsRecipe

# For each thing that a term needs: what it is called, and how to get it.
_NEEDS: dict[Need, tuple[str, str]] = {
    "labels": ("labels", "Train on labelled frames."),
    "other_labels": ("labels of the other frames", "Take pairs: {source: stills}, whose frames are copies."),
    "pair": ("a second frame", "Say where it comes from, such as pairs: {source: stills}."),
    "triple": ("two more frames", "Set pairs.frames: 3."),
    "features": ("features", "Use a network of the table."),
    "teacher": ("a teacher", "Name one in teacher.path."),
    "teacher_features": ("features of a teacher", "Name weights in teacher.path; a bundle has logits only."),
}


@dataclass(frozen=True)
class WeightedTerm:
    """A term of the loss with what the recipe says of it: see TermRecipe."""

    name: str
    weight: float
    ramp: float
    term: Term

    def weight_at(self, progress: float) -> float:
        """The weight when `progress` of the run, from 0 to 1, is done."""
        return self.weight * min(progress / self.ramp, 1.0) if self.ramp else self.weight


class Loss:
    """The weighted sum of a recipe's terms.

    Args:
        recipe: names the terms.
        classes: number of classes.
        teacher_gives_features: None where there is no teacher.
        labels: whether the frames have labels.

    Raises:
        RecipeError: a term's settings do not fit the classes, or it needs what is not there.
    """

    def __init__(
        self, recipe: LearningRecipe, classes: int, teacher_gives_features: bool | None, labels: bool = True
    ) -> None:
        self.terms = [_term(entry, classes) for entry in recipe.losses]
        given: set[Need] = {"labels", "features"} if labels else {"features"}
        if recipe.pairs is not None:
            given |= {"pair", "triple"} if recipe.pairs.frames == 3 else {"pair"}
            given |= {"other_labels"} if labels and isinstance(recipe.pairs, StillsRecipe) else set()
        if teacher_gives_features is not None:
            given |= {"teacher", "teacher_features"} if teacher_gives_features else {"teacher"}
        for entry in self.terms:
            for lacking in (need for need in _NEEDS if need in entry.term.needs - given):
                what, remedy = _NEEDS[lacking]
                raise RecipeError(f"Found the loss {entry.name}, which needs {what}, in a recipe without.", remedy)
        names = [entry.name for entry in self.terms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise RecipeError(f"Found the loss {twice[0]} twice, expected each once.")
        # Terms that learn themselves, by name.
        learned = {entry.name: entry.term for entry in self.terms if isinstance(entry.term, nn.Module)}
        self.modules = nn.ModuleDict(learned)

    @property
    def needs_features(self) -> bool:
        """Whether a term looks at the network's features."""
        return any("features" in entry.term.needs for entry in self.terms)

    def __call__(self, step: StepOutputs, progress: float = 1.0) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum, with gradient, and each term's value by name, without.

        Args:
            step: what the terms look at.
            progress: how much of the run is done, from 0 to 1.
        """
        values = {entry.name: entry.term(step) for entry in self.terms}
        total = torch.stack([entry.weight_at(progress) * values[entry.name] for entry in self.terms]).sum()
        return total, {name: value.detach() for name, value in values.items()}


def _term(entry: Any, classes: int) -> WeightedTerm:
    settings: dict[str, Any] = msgspec.structs.asdict(entry)
    weight, ramp = settings.pop("weight"), settings.pop("ramp")
    name = str(type(entry).__struct_config__.tag)
    class_weights = settings.get("class_weights")
    if isinstance(class_weights, tuple) and len(class_weights) != classes:
        raise RecipeError(
            f"Found {len(class_weights)} class_weights for the loss {name}, expected {classes}, one a class."
        )
    return WeightedTerm(name, weight, ramp, TERMS.load(name)(**settings))
