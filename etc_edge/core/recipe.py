"""Recipes: YAML files read into typed structs, with a clear word for every mistake.

A recipe's schema is a `msgspec.Struct` with `forbid_unknown_fields=True`, declared beside the code that
follows it (`training/recipe.py`, `quantization/recipe.py`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from etc_edge.core.errors import RecipeError
from etc_edge.core.table import nearest

S = TypeVar("S", bound=msgspec.Struct)

_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?P<field>[^`]+)`(?: - at `(?P<path>[^`]+)`)?")


def load_recipe(path: Path, schema: type[S]) -> S:
    """Read a YAML recipe.

    Args:
        path: the YAML file.
        schema: the struct that it must fit.

    Raises:
        RecipeError: no file, no YAML, an unknown key (the nearest one is suggested), a wrong type or value.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"Found no recipe at {path}.", "Check the path; shipped ones are in recipes/.") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"Found a recipe {path} that is not UTF-8 text.") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"Found a recipe {path} that is not YAML: {_one_line(error)}.") from error
    return parse_recipe({} if data is None else data, schema, str(path))


def parse_recipe(data: Any, schema: type[S], where: str) -> S:
    """Check plain data against a schema; `where` names its origin in errors.

    Raises:
        RecipeError: as `load_recipe`.
    """
    if not isinstance(data, dict):
        raise RecipeError(f"Found {type(data).__name__} in {where}, expected keys and values.")
    try:
        return msgspec.convert(data, schema, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(error, data, schema, where) from error


def _explained(error: msgspec.ValidationError, data: Any, schema: type[S], where: str) -> RecipeError:
    match = _UNKNOWN_FIELD.match(str(error))
    if match is None:
        number_as_text = "Expected `float" in str(error) and "got `str`" in str(error)
        hint = "YAML reads 1e-4 as text; write 1.0e-4." if number_as_text else None
        return RecipeError(f"In {where}: {_plain_path(str(error))}.", hint)
    field, path = match["field"], match["path"]
    known = _fields_at(schema, path or "$")
    place = "" if path in (None, "$") else f" under {path.removeprefix('$.')!r}"
    return RecipeError(f"Found the unknown key {field!r}{place} in {where}.", nearest(field, known))


def _fields_at(schema: Any, path: str) -> list[str]:
    """Names of the fields of the struct that stands at a path such as `$.data.crop` or `$.losses[...]`."""
    info: Any = msgspec.inspect.type_info(schema)
    for part in re.findall(r"\.(\w+)|(\[\.\.\.\]|\[\d+\])", path):
        struct = _structs(info)
        name = part[0]
        if name:
            fields = [field for one in struct for field in one.fields if field.encode_name == name]
            if not fields:
                return []
            info = fields[0].type
        else:
            info = getattr(_non_null(info), "item_type", None) or getattr(_non_null(info), "value_type", info)
    return [field.encode_name for one in _structs(info) for field in one.fields]


def _non_null(info: Any) -> Any:
    if isinstance(info, msgspec.inspect.UnionType):
        rest = [one for one in info.types if not isinstance(one, msgspec.inspect.NoneType)]
        return rest[0] if len(rest) == 1 else info
    return info


def _structs(info: Any) -> list[Any]:
    types = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    return [one for one in types if isinstance(one, msgspec.inspect.StructType)]


def _plain_path(message: str) -> str:
    return re.sub(r" - at `\$\.?([^`]*)`", lambda found: f" at {found[1]!r}" if found[1] else "", message)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
