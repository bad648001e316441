"""The shipped recipes, and what a recipe may not say."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from etc_edge.core.errors import RecipeError
from etc_edge.core.recipe import load_recipe, parse_recipe
from etc_edge.models.table import NETWORKS
from etc_edge.training.loop import comparable
from etc_edge.training.recipe import TrainRecipe
from etc_edge.training.terms import Loss

RECIPES = sorted((Path(__file__).parents[3] / "recipes" / "train").glob("*.yaml"))
LEAST = {"network": "pspnet18", "input_size_hw": [360, 480], "augmentation": {"crop_hw": [240, 320]}}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_whole(path: Path) -> None:
    recipe = load_recipe(path, TrainRecipe)
    assert recipe.network in NETWORKS.names()
    assert recipe.network in path.stem
    classes = {"camvid": 11, "cityscapes": 19, "street": 9}[recipe.data.kind or ""]
    names = [entry.name for entry in Loss(recipe, classes, None if recipe.teacher is None else True).terms]
    assert names[0] == "cross_entropy"
    if "_base" in path.stem:
        assert names == ["cross_entropy"]


@pytest.mark.parametrize("network", ["pspnet_mobilenetv2"])
def test_what_is_compared_differs_in_its_losses_alone(network: str) -> None:
    folder = RECIPES[0].parent
    base, *others = (
        msgspec.to_builtins(load_recipe(folder / f"camvid-{network}_{kind}.yaml", TrainRecipe))
        for kind in ("base", "tl", "tl_kd")
    )
    for other in others:
        for name in ("losses", "pairs", "teacher"):
            other.pop(name)
        assert other == {key: value for key, value in base.items() if key in other}


def test_the_defaults_are_the_authors_schedule() -> None:
    recipe = parse_recipe(LEAST, TrainRecipe, "test")
    assert (recipe.optimizer.name, recipe.optimizer.lr, recipe.optimizer.head_lr_factor) == ("sgd", 0.01, 10.0)
    assert (recipe.schedule.epochs, recipe.schedule.batch_size, recipe.schedule.poly_power) == (200, 8, 0.9)
    assert (recipe.augmentation.scale, recipe.augmentation.rotation_deg) == ((0.5, 2.0), 10.0)
    (term,) = Loss(recipe, 11, None).terms
    assert (term.name, term.weight) == ("cross_entropy", 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"netwrok": "x"}, "netwrok.*Did you mean 'network'"),
        ({"losses": [{"name": "cross_entropie"}]}, "losses"),
        ({"losses": [{"name": "cross_entropy", "weigth": 2.0}]}, "weigth"),
        ({"losses": []}, "losses"),
        ({"schedule": {"epochs": 0}}, "schedule.epochs"),
        ({"optimizer": {"lr": "fast"}}, "optimizer.lr"),
        ({"augmentation": {"crop_hw": [240]}}, "augmentation.crop_hw"),
        ({"data": {"holdout": 1.0}}, "data.holdout"),
    ],
)
def test_mistakes_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(LEAST | change, TrainRecipe, "test")


def test_class_weights_must_fit_the_classes() -> None:
    losses = [{"name": "cross_entropy", "class_weights": [1.0, 2.0]}]
    recipe = parse_recipe(LEAST | {"losses": losses}, TrainRecipe, "test")
    assert len(Loss(recipe, 2, None).terms) == 1
    with pytest.raises(RecipeError, match="2 class_weights"):
        Loss(recipe, 11, None)


STILLS = {"source": "stills"}
THREE = {"source": "dense", "frames": 3}


@pytest.mark.parametrize(
    ("loss", "pairs", "teacher_gives_features", "message"),
    [
        ("temporal", None, None, "temporal, which needs a second frame"),
        ("single_frame", None, None, "single_frame, which needs a teacher,"),
        ("pairwise", None, True, "pairwise, which needs a second frame"),
        ("pairwise", STILLS, None, "pairwise, which needs features of a teacher"),
        ("pairwise", STILLS, False, "pairwise, which needs features of a teacher"),
        ("multi_frame", STILLS, True, "multi_frame, which needs two more frames"),
        ("temporal", STILLS, None, None),
        ("single_frame", None, False, None),
        ("pairwise", THREE, True, None),
        ("multi_frame", THREE, True, None),
    ],
)
def test_what_a_term_lacks_is_refused_by_name(
    loss: str, pairs: dict[str, object] | None, teacher_gives_features: bool | None, message: str | None
) -> None:
    recipe = parse_recipe(LEAST | {"losses": [{"name": loss}], "pairs": pairs}, TrainRecipe, "test")
    if message is None:
        assert [entry.name for entry in Loss(recipe, 11, teacher_gives_features).terms] == [loss]
    else:
        with pytest.raises(RecipeError, match=message) as caught:
            Loss(recipe, 11, teacher_gives_features)
        assert caught.value.hint


def test_one_loss_twice() -> None:
    losses = [{"name": "temporal", "form": "logits"}, {"name": "temporal"}]
    recipe = parse_recipe(LEAST | {"losses": losses, "pairs": STILLS}, TrainRecipe, "test")
    with pytest.raises(RecipeError, match="the loss temporal twice"):
        Loss(recipe, 11, None)


def test_what_changes_no_result_may_change_between_runs() -> None:
    recipe = parse_recipe(LEAST, TrainRecipe, "test")
    assert comparable(recipe) == comparable(parse_recipe(LEAST | {"workers": 0}, TrainRecipe, "test"))
    assert comparable(recipe) != comparable(parse_recipe(LEAST | {"seed": 1}, TrainRecipe, "test"))
