from __future__ import annotations

import json

import msgspec

from etc_edge.core.results import Results, load_results
from etc_edge.report.markdown import results_markdown
from tests.architecture.package_files import REPOSITORY

PUBLISHED = sorted((REPOSITORY / "docs" / "results").glob("camvid-*.json"))


def test_every_row_has_every_column() -> None:
    bundle = {"name": "net-int8", "sha256": "0", "precision": "int8", "model_bytes": 1234567}
    plain = {"bundle": bundle, "data": {"name": "street", "frames": 1}, "device": {}, "versions": {}}
    latency = dict.fromkeys(("mean", "p50", "p90", "p95", "p99", "max"), 2.5)
    temporal = {"flow": "exact", "tc": 0.5, "tc_etc": 0.25, "flicker": 0.125}
    full = {**plain, "latency_ms": latency, "throughput_fps": 400.0, "temporal": temporal}
    results = [msgspec.json.decode(json.dumps(one), type=Results) for one in (plain, full)]

    heading, _, empty, measured = results_markdown(results).splitlines()

    assert heading.count("|") == empty.count("|") == measured.count("|")
    assert empty == "| net INT8 |  |  |  |  |  |  |  | 1,234,567 |  |"
    assert measured == "| net INT8 |  | 50.00% | 25.00% | 12.50% |  | 2.5 | 400.0 | 1,234,567 |  |"


def test_the_readme_shows_the_published_results() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert PUBLISHED
    assert results_markdown([load_results(path) for path in PUBLISHED]) in readme
