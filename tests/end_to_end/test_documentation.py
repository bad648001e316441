"""Pages that promise to be run are run, line by line, and the site is built without a warning."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from etc_edge.cli.main import run
from tests.architecture.fenced_code import fences
from tests.architecture.package_files import REPOSITORY
from tests.small_networks import frames
from tests.street_models import write_onnx

DOCS = REPOSITORY / "docs"
NOTEBOOK = REPOSITORY / "examples" / "model_to_report.ipynb"


def finished(command: list[str], folder: Path) -> str:
    """Standard output of a command that must do well; one thread, so that it disturbs nobody."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def python(code: str, folder: Path) -> str:
    return finished([sys.executable, "-c", code], folder)


def exit_code(line: str) -> int:
    """Of a shown `etc-edge …`, run in this process: the programs that it imports are loaded once for all lines."""
    name, *arguments = shlex.split(line)
    assert name == "etc-edge", line
    return run(arguments)


def test_every_line_of_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    Path("zoo").symlink_to(REPOSITORY / "zoo")
    for fence in fences(DOCS / "tutorial.md"):
        if fence.language == "python":
            said = python(fence.text, tmp_path)
            assert [line.split()[0] for line in said.splitlines()] == ["0", "1", "2", "3", "4"]
        else:
            assert {line: exit_code(line) for line in fence.lines()} == dict.fromkeys(fence.lines(), 0)
    assert len(Path("frames.jsonl").read_text().splitlines()) == 45
    assert Path("segmented.mp4").stat().st_size > 10_000
    assert "data:image" in Path("report.html").read_text()


def write_drive(root: Path, count: int = 8) -> None:
    """A labelled folder with one clip a split, as the page about own data draws it."""
    for number, split in enumerate(("train", "val")):
        width = 48 + count
        scene = next(frames(1, seed=number, size_hw=(32, width)))
        labels = (np.arange(width, dtype=np.uint8) // 8)[None].repeat(32, 0)
        for kind, picture in (("images", scene[..., ::-1]), ("labels", labels)):
            folder = root / split / kind / "clip"
            folder.mkdir(parents=True)
            for index in range(count):
                cv2.imwrite(str(folder / f"{index}.png"), picture[:, index : index + 48])


def test_the_guides_run_on_a_network_and_data_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_onnx(tmp_path, name="network")
    write_drive(tmp_path / "drive")
    shutil.copy("classes.yaml", "drive")
    pages = [fences(DOCS / "guides" / f"{name}.md") for name in ("own-network", "own-data", "gates-in-ci")]
    network, data, gates = ([line for fence in page if not fence.language for line in fence.lines()] for page in pages)
    # The network of this test is a small one.
    assert [exit_code(line.replace("360x480", "32x48")) for line in network] == [0, 0, 0]
    assert [exit_code(line) for line in data if line.startswith("etc-edge")] == [0, 0]
    for name in ("", "-int8"):
        shutil.copytree(f"network{name}.etc", f"street{name}.etc")
    shutil.copy("results.json", "released.json")
    # Whether gates hold is the network's affair; that each can be decided is the page's: 2 would be one that cannot.
    assert exit_code(gates[0]) in (0, 1)
    assert Path("gates.xml").read_text().count("<testcase") == 3


def test_the_steadiness_page_prints_what_it_says(tmp_path: Path) -> None:
    code, printed = fences(DOCS / "steadiness.md")
    assert python(code.text, tmp_path) == printed.text


def test_the_int8_page_gives_the_figures_of_its_records() -> None:
    rows = [
        line.split("|")[1:-1] for line in (DOCS / "int8-and-steadiness.md").read_text().splitlines() if "[json]" in line
    ]
    assert len(rows) == 7
    for _, miou, miou_drop, tc, tc_drop, flicker, agreement, link in rows:
        record = json.loads((DOCS / link.split("(")[1].strip(" )")).read_text())
        temporal, drop = record["temporal"], record["drop"]
        found = [record["accuracy"]["miou"], drop["miou"], temporal["tc"], drop["tc"], temporal["flicker"]]
        found.append(temporal["agreement"])
        shown = [float(cell) for cell in (miou, miou_drop, tc, tc_drop, flicker, agreement)]
        assert shown == pytest.approx([100 * value for value in found], abs=0.0051)


def test_the_notebook_runs_from_model_to_report(tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert [cell for cell in cells if cell.get("outputs")] == []  # what it prints belongs to whoever runs it
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    said = python("\n".join(code), tmp_path)
    assert "INT8" in said
    assert "data:image" in (tmp_path / "report.html").read_text()


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    finished([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)], REPOSITORY)
    commands = (tmp_path / "reference" / "commands.html").read_text(encoding="utf-8")
    assert "--max-tc-drop" in commands
    metrics = (tmp_path / "reference" / "metrics.html").read_text(encoding="utf-8")
    assert "etc_edge.metrics.temporal.TemporalConsistency.update" in metrics
    # Nothing is loaded from elsewhere.
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert 'src="http' not in text, page
        assert 'rel="stylesheet" href="http' not in text, page
