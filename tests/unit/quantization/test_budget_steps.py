"""What a recipe is changed by, and the order in which groups go back to float."""

from __future__ import annotations

from etc_edge.quantization.budget_steps import RECIPE_STEPS, GroupLoss, changed_recipe, float_order
from etc_edge.quantization.recipe import QuantizeRecipe


def test_steps_change_what_a_careless_recipe_says_and_nothing_that_is_so_already() -> None:
    careless = QuantizeRecipe(observer="minmax", weights="tensor", equalize=False, keep_float=["head"])
    recipe = careless
    for name in RECIPE_STEPS:
        changed = changed_recipe(recipe, name)
        assert changed is not None
        recipe = changed
    assert recipe == QuantizeRecipe(bias_correction=True, keep_float=["head"])
    assert [changed_recipe(recipe, name) for name in RECIPE_STEPS] == [None] * len(RECIPE_STEPS)


def test_groups_go_back_by_noise_for_the_time_that_they_save() -> None:
    # Noise 0.1, 0.01, none, 0.001: for the time that each saves 0.2, 0.5, 0 and 0.01.
    groups = [
        GroupLoss(nodes=("a",), snr_db=10.0, saved=0.5),
        GroupLoss(nodes=("b",), snr_db=20.0, saved=0.02),
        GroupLoss(nodes=("c",), snr_db=None, saved=0.3),
        GroupLoss(nodes=("d", "e"), snr_db=30.0, saved=0.1),
    ]
    assert [group.nodes for group in float_order(groups)] == [("b",), ("a",), ("d", "e")]
    assert float_order(groups[:1]) == []
