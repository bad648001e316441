"""Children answer what they are asked and import what their parent does."""

from __future__ import annotations

import json
import os
import sys

import pytest

from etc_edge.core.child_process import child_environment, start_answering


def test_a_module_answers_what_it_is_asked() -> None:
    process, requests, answers = start_answering("json.tool")
    with process:
        requests.write(b'{"asked":1}')
        requests.close()
        assert json.loads(answers.read()) == {"asked": 1}
    assert process.returncode == 0


def test_a_child_has_a_session_of_its_own() -> None:
    process, requests, _ = start_answering("json.tool")
    with process:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
        requests.write(b"1")
        requests.close()


def test_relative_entries_of_the_import_path_hold_wherever_a_child_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/somewhere"])
    assert child_environment()["PYTHONPATH"].split(os.pathsep) == [os.getcwd(), "/somewhere"]
