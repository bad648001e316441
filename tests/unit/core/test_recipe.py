"""Every mistake in a recipe is named where it stands, the nearest key for an unknown one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import pytest

from etc_edge.core.errors import RecipeError
from etc_edge.core.recipe import load_recipe, parse_recipe


class Term(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    weight: float = 1.0


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    crop: tuple[int, int] | None = None
    split: Literal["train", "val"] = "train"


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    network: str
    learning_rate: float = 0.1
    data: Data | None = None
    losses: list[Term] = []
    heads: dict[str, Term] = {}


def load(text: str, tmp_path: Path) -> Recipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return load_recipe(path, Recipe)


def test_a_recipe_with_everything(tmp_path: Path) -> None:
    text = "{network: a, learning_rate: 1, data: {crop: [3, 4], split: val}, losses: [{weight: 2.0}], heads: {x: {}}}"
    assert load(text, tmp_path) == Recipe(
        network="a",
        learning_rate=1.0,
        data=Data(crop=(3, 4), split="val"),
        losses=[Term(weight=2.0)],
        heads={"x": Term()},
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{network: a, learning_rat: 1}", "Found the unknown key 'learning_rat' in", "Did you mean 'learning_rate'?"),
        ("{network: a, data: {corp: 1}}", "Found the unknown key 'corp' under 'data' in", "Did you mean 'crop'?"),
        ("{network: a, losses: [{wieght: 1}]}", "Found the unknown key 'wieght' under", "Did you mean 'weight'?"),
        ("{network: a, heads: {x: {wieght: 1}}}", "Found the unknown key 'wieght' under", "Did you mean 'weight'?"),
        ("{network: a, zzz: 1}", "unknown key 'zzz'", "Known: data, heads, learning_rate, losses, network."),
        ("{learning_rate: 1}", "missing required field `network`", None),
        ("{network: 3}", "Expected `str`, got `int` at 'network'", None),
        ("{network: a, data: {split: test}}", "Invalid enum value 'test' at 'data.split'", None),
        ("{network: a, learning_rate: 1e-4}", "Expected `float`, got `str` at 'learning_rate'", "write 1.0e-4"),
        ("{network: a, data: {crop: [1]}}", "at 'data.crop'", None),
        ("{1: 2}", "Expected `str`", None),
        ("", "missing required field `network`", None),
        ("[a]", "Found list in .*, expected keys and values", None),
        ("a: [", "is not YAML", None),
    ],
)
def test_mistakes(text: str, message: str, hint: str | None, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message) as error:
        load(text, tmp_path)
    assert "recipe.yaml" in error.value.message
    assert "\n" not in error.value.message
    assert hint is None or (error.value.hint is not None and hint in error.value.hint)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="Found no recipe at"):
        load_recipe(tmp_path / "absent.yaml", Recipe)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not UTF-8"):
        load_recipe(tmp_path / "binary.yaml", Recipe)


def test_a_recipe_cannot_run_code(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is not YAML"):
        load("!!python/object/apply:os.getcwd []", tmp_path)


def test_plain_data_says_where_it_came_from() -> None:
    assert parse_recipe({"network": "a"}, Recipe, "the checkpoint").network == "a"
    with pytest.raises(RecipeError, match="in the checkpoint"):
        parse_recipe({"network": "a", "x": 1}, Recipe, "the checkpoint")
