"""Every row of every table leads to something: commands, backends, models, datasets, observers, …"""

from __future__ import annotations

import importlib

import click
import pytest

from etc_edge.cli.main import COMMANDS
from etc_edge.core.table import Table
from tests.architecture.package_files import PACKAGE, module_name, source_files

NOT_COMMANDS = {"__init__", "main", "settings"}


def tables() -> dict[str, Table[object]]:
    """Every module-level table, by the first module that shows it."""
    found: dict[int, tuple[str, Table[object]]] = {}
    for file in source_files():
        if "Table" not in file.read_text(encoding="utf-8"):
            continue
        module = importlib.import_module(module_name(file))
        for name, value in vars(module).items():
            if isinstance(value, Table):
                found.setdefault(id(value), (f"{module.__name__}.{name}", value))
    return dict(found.values())


def test_every_row_of_every_table_loads() -> None:
    failures = {}
    for place, table in tables().items():
        for name in table.names():
            try:
                table.load(name)
            except Exception as error:  # whatever it is, it belongs in the list
                failures[f"{place}: {name}"] = repr(error)
    assert failures == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads(name: str) -> None:
    command = importlib.import_module(COMMANDS[name][0]).command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help
    missing = [
        parameter.name for parameter in command.params if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert missing == [], "every option says what it does"


def test_every_command_file_is_in_the_table() -> None:
    files = {file.stem for file in (PACKAGE / "cli").glob("*.py")} - NOT_COMMANDS
    with_command = {stem for stem in files if hasattr(importlib.import_module(f"etc_edge.cli.{stem}"), "command")}
    assert with_command == set(COMMANDS)
