"""Quantization recipes that come with the package, and what is refused in them."""

from __future__ import annotations

import pytest

from etc_edge.core.errors import RecipeError
from etc_edge.core.recipe import load_recipe, parse_recipe
from etc_edge.core.shipped import shipped_folder
from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe
from etc_edge.training.terms import Loss

SHIPPED = sorted((shipped_folder("recipes") / "quantize").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_can_be_followed(path: object) -> None:
    recipe = load_recipe(path, WholeQuantizeRecipe)  # type: ignore[arg-type]
    if recipe.finetune is not None:
        terms = Loss(recipe.finetune.learning(), 11, True, recipe.finetune.needs_labels).terms
        assert len(terms) == len(recipe.finetune.losses)
        assert recipe.finetune.needs_labels == ("label-free" not in str(path))


def test_a_mistake_is_named_with_its_place() -> None:
    with pytest.raises(RecipeError, match=r"finetune"):
        parse_recipe({"finetune": {"stepz": 3}}, WholeQuantizeRecipe, "test")
    with pytest.raises(RecipeError, match=r"finetune.examination"):
        parse_recipe({"finetune": {"examination": {"metrics": ["iou"]}}}, WholeQuantizeRecipe, "test")
