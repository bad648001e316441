"""The shipped recipes, and what a recipe may not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.core.errors import RecipeError
from etc_edge.core.recipe import load_recipe, parse_recipe
from etc_edge.losses.table import TERMS
from etc_edge.models.table import NETWORKS
from etc_edge.training.loop import comparable, make_terms
from etc_edge.training.recipe import TrainRecipe

RECIPES = sorted((Path(__file__).parents[3] / "recipes" / "train").glob("*.yaml"))
LEAST = {"network": "pspnet18", "input_size_hw": [360, 480], "augmentation": {"crop_hw": [240, 320]}}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_whole(path: Path) -> None:
    recipe = load_recipe(path, TrainRecipe)
    assert recipe.network in NETWORKS.names()
    assert recipe.network in path.stem
    classes = {"camvid": 11, "cityscapes": 19, "street": 9}[recipe.data.kind or ""]
    assert [term.name for term in make_terms(recipe, classes)] == ["cross_entropy"]


def test_the_defaults_are_the_authors_schedule() -> None:
    recipe = parse_recipe(LEAST, TrainRecipe, "test")
    assert (recipe.optimizer.name, recipe.optimizer.lr, recipe.optimizer.head_lr_factor) == ("sgd", 0.01, 10.0)
    assert (recipe.schedule.epochs, recipe.schedule.batch_size, recipe.schedule.poly_power) == (200, 8, 0.9)
    assert (recipe.augmentation.scale, recipe.augmentation.rotation_deg) == ((0.5, 2.0), 10.0)
    (term,) = make_terms(recipe, 11)
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
    assert len(make_terms(recipe, 2)) == 1
    with pytest.raises(RecipeError, match="2 class_weights"):
        make_terms(recipe, 11)


def test_a_term_that_needs_more_than_labels_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Steady:
        needs = frozenset({"pair", "flow"})

        def __init__(self, **settings: object) -> None:
            pass

    monkeypatch.setattr(TERMS, "load", lambda name: Steady)
    with pytest.raises(RecipeError, match="cross_entropy, which needs flow, pair"):
        make_terms(parse_recipe(LEAST, TrainRecipe, "test"), 11)


def test_what_changes_no_result_may_change_between_runs() -> None:
    recipe = parse_recipe(LEAST, TrainRecipe, "test")
    assert comparable(recipe) == comparable(parse_recipe(LEAST | {"workers": 0}, TrainRecipe, "test"))
    assert comparable(recipe) != comparable(parse_recipe(LEAST | {"seed": 1}, TrainRecipe, "test"))
