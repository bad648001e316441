"""The page of what ran on a GPU keeps what never ran; sections of runs are added to it, here from a made-up report."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from tests.gpu.write_results import MEASURED, PAGE, Case, add_to_page, read_cases, to_section, with_section

REPORT = """<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite>
<testcase classname="tests.gpu.test_tensorrt" name="test_every_layer_is_timed[int8]" time="1">
<properties><property name="ms a frame" value="1.25"/><property name="note" value="a|b"/></properties></testcase>
<testcase classname="tests.gpu.test_tensorrt" name="test_a_cuda_graph">
<failure message="assert 1 == 2&#10;more"/></testcase>
<testcase classname="tests.gpu.test_torch_tensorrt" name="test_fp16"><skipped message="no torch_tensorrt"/></testcase>
</testsuite></testsuites>"""

CASES = [
    Case("tensorrt: every layer is timed[int8]", "passed", "ms a frame: 1.25; note: a\\|b"),
    Case("tensorrt: a cuda graph", "failed", "assert 1 == 2 more"),
    Case("torch_tensorrt: fp16", "skipped", "no torch_tensorrt"),
]


def test_a_report_is_read_with_its_figures_and_reasons() -> None:
    assert read_cases(REPORT) == CASES


def test_a_section_tells_failures_and_what_did_not_run() -> None:
    section = to_section("2030-01-02", "a made-up GPU", "torch 9.9", CASES)
    assert section.startswith("### 2030-01-02, a made-up GPU\n\ntorch 9.9.")
    assert "| tensorrt: a cuda graph | failed | assert 1 == 2 more |" in section
    assert section.endswith("Not run there:\n\n- torch_tensorrt: fp16 (no torch_tensorrt)\n")


def test_sections_are_added_newest_first_and_the_rest_of_the_page_stays() -> None:
    page = PAGE.read_text(encoding="utf-8")
    head = page.partition(f"\n{MEASURED}\n")[0].rstrip()
    first = to_section("2030-01-02", "a made-up GPU", "torch 9.8", CASES)
    again = to_section("2030-01-02", "a made-up GPU", "torch 9.9", CASES)
    other = to_section("2030-01-03", "a made-up GPU", "torch 9.9", CASES)
    written = with_section(with_section(with_section(page, first), again), other)
    assert written.startswith(head + "\n\n## Measured\n\n### 2030-01-03")
    assert first not in written
    assert written.index(other) < written.index(again)
    assert written.count("| never run |") == page.count("| never run |") >= 9
    assert with_section(written, other) == written


def test_where_nothing_could_run_nothing_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n", encoding="utf-8")
    with pytest.raises(click.ClickException, match=r"no torch_tensorrt\); the page stays as it is"):
        add_to_page(page, [case for case in CASES if case.outcome == "skipped"])
    assert page.read_text(encoding="utf-8") == "# A page\n"
    add_to_page(page, CASES)
    assert page.read_text(encoding="utf-8").startswith("# A page\n\n## Measured\n\n### ")
