from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.core import shipped
from etc_edge.core.errors import RecipeError
from etc_edge.core.shipped import find_shipped, shipped_names


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package as a wheel installs it, with one recipe of each kind."""
    package = tmp_path / "etc_edge"
    for name in ("train/street.yaml", "quantize/entropy.yaml"):
        file = package / "_recipes" / name
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    monkeypatch.setattr(shipped, "_PACKAGE", package)
    return package


def test_a_path_is_taken_as_it_is(package: Path, tmp_path: Path) -> None:
    mine = tmp_path / "entropy.yaml"
    mine.write_text("{}")
    assert find_shipped("recipes/quantize", mine) == mine


@pytest.mark.parametrize("given", ["entropy", "entropy.yaml", Path("entropy")])
def test_a_shipped_file_is_found_by_name(package: Path, given: str | Path) -> None:
    assert find_shipped("recipes/quantize", given) == package / "_recipes" / "quantize" / "entropy.yaml"
    assert find_shipped("recipes", Path("quantize") / given) == package / "_recipes" / "quantize" / "entropy.yaml"


def test_an_unknown_name_gets_the_nearest_of_its_kind(package: Path) -> None:
    with pytest.raises(RecipeError) as error:
        find_shipped("recipes/quantize", "entropi")
    assert error.value.hint == "Did you mean 'entropy'?"
    with pytest.raises(RecipeError):
        find_shipped("recipes/quantize", "street")


def test_a_name_does_not_lead_out_of_the_folder(package: Path) -> None:
    (package / "secret.yaml").write_text("{}")
    with pytest.raises(RecipeError):
        find_shipped("recipes", "../secret")


def test_a_checkout_ships_what_lies_at_its_top() -> None:
    assert all((Path(__file__).parents[3] / "recipes" / f"{name}.yaml").is_file() for name in shipped_names("recipes"))
    assert shipped_names("recipes")
