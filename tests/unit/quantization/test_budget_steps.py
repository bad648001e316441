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
        GroupLoss(nodes=("a",), snr_db=10.0, saved=0.5, grids=("a",)),
        GroupLoss(nodes=("b",), snr_db=20.0, saved=0.02, grids=("b",)),
        GroupLoss(nodes=("c",), snr_db=None, saved=0.3, grids=("c",)),
        GroupLoss(nodes=("d", "e"), snr_db=30.0, saved=0.1, grids=("d", "e")),
    ]
    assert [group.nodes for group in float_order(groups)] == [("b",), ("a",), ("d", "e")]
    assert float_order(groups[:1]) == []


def test_an_addition_goes_back_only_where_a_grid_goes_with_it() -> None:
    # image → conv 1 → x → conv 2 → y, added to x → z → conv 3: the addition has no grid of its own.
    groups = [
        GroupLoss(nodes=("conv 1",), snr_db=20.0, saved=0.3, grids=("image", "w1", "x")),
        GroupLoss(nodes=("conv 2",), snr_db=21.0, saved=0.3, grids=("x", "w2", "y")),
        GroupLoss(nodes=("add",), snr_db=10.0, saved=0.1, grids=("x", "y", "z")),
        GroupLoss(nodes=("conv 3",), snr_db=30.0, saved=0.3, grids=("z", "w3")),
    ]
    # Two thirds of conv 1's noise, then a third of conv 2's; x and y go with the addition, which used them last.
    assert [group.nodes[0] for group in float_order(groups)] == ["conv 1", "conv 2", "add"]
