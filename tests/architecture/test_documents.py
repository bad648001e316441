"""The documents say what the package is, and the commands that they show are the ones that there are."""

from __future__ import annotations

import importlib
import re
import shlex
from importlib import metadata
from pathlib import Path

import click
import pytest

import etc_edge
from etc_edge.cli.main import COMMANDS
from tests.architecture.fenced_code import fences
from tests.architecture.package_files import PACKAGE, REPOSITORY, source_files

DOCUMENTS = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
DOCS = REPOSITORY / "docs"
DOCUMENTS += sorted(DOCS.rglob("*.md"))


def name_of(file: Path) -> str:
    return file.name


def test_every_page_is_in_the_sites_navigation() -> None:
    # As text: the file is YAML of mkdocs, with tags of its own where one is needed.
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    pages = [page.relative_to(REPOSITORY / "docs").as_posix() for page in DOCUMENTS if page.is_relative_to(DOCS)]
    assert [page for page in pages if not re.search(rf"[ -]{re.escape(page)}$", navigation, re.MULTILINE)] == []


def code_lines(document: Path) -> list[str]:
    """Lines of the fenced code of a document, continued ones joined."""
    return [line for fence in fences(document) for line in fence.lines()]


def shown_commands(document: Path) -> list[list[str]]:
    """Arguments of every `etc-edge …` that a document's code shows."""
    lines = [line for line in code_lines(document) if line.startswith("etc-edge ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_the_version_is_the_same_everywhere() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)[0]
    assert newest == etc_edge.__version__ == metadata.version("etc-edge")


def test_the_architecture_page_names_every_room() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {file.parent.relative_to(PACKAGE).parts[0] for file in source_files() if file.parent != PACKAGE}
    assert {room for room in rooms if f"`{room}/`" not in page} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_shown_commands_exist_with_their_options(document: Path) -> None:
    for arguments in shown_commands(document):
        name = next((word for word in arguments if not word.startswith("-")), None)
        if name is None:
            continue
        assert name in COMMANDS, f"{document.name} shows `etc-edge {name}`"
        command: click.Command = importlib.import_module(COMMANDS[name][0]).command
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.split("=")[0] for word in arguments[arguments.index(name) :] if word.startswith("--")}
        assert used - known - {"--help"} == set(), f"{document.name}: {shlex.join(arguments)}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_to_files_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_shown_make_targets_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    shown = {line.split()[1] for document in DOCUMENTS for line in code_lines(document) if line.startswith("make ")}
    assert shown <= targets


def test_the_architecture_page_sends_to_tables_that_there_are() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    places = re.findall(r"`([A-Z_]+)` in `([\w/]+\.py)`", page)
    assert len(places) >= 5
    missing = [
        (table, file)
        for table, file in places
        if not (PACKAGE / file).is_file() or f"\n{table}:" not in (PACKAGE / file).read_text(encoding="utf-8")
    ]
    assert missing == []


def test_the_readme_lists_every_command() -> None:
    page = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z]+)` \|", page.split("## Commands")[1].split("\n## ")[0], re.MULTILINE)
    assert listed == list(COMMANDS)
