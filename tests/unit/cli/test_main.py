"""Every way a command can end, as a user sees it: exit code, one line, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from etc_edge import __version__
from etc_edge.cli import main
from etc_edge.cli.settings import progress
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.progress import Silent


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """A command `end` that raises what a test puts into the list."""
    raised: list[BaseException] = []

    @click.command("end")
    @click.pass_context
    def command(context: click.Context) -> None:
        """End as the test says."""
        if raised:
            raise raised[0]
        click.echo("quiet" if isinstance(progress(), Silent) else "loud")

    module = type(sys)("etc_edge_test_command")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(main.COMMANDS, "end", (module.__name__, "End as the test says."))
    before = signal.getsignal(signal.SIGTERM)
    yield raised
    signal.signal(signal.SIGTERM, before)


def test_an_expected_failure_is_one_line_and_a_hint(
    ending: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    ending.append(EtcEdgeError("Found 3, expected 4.", "Try 4."))
    assert main.run(["end"]) == 1
    assert capsys.readouterr().err == "error: Found 3, expected 4.\nhint: Try 4.\n"


def test_an_unexpected_failure_is_one_line_too(ending: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    ending.append(ZeroDivisionError("division\nby zero"))
    assert main.run(["end"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ZeroDivisionError: division by zero\nhint: Run again as `etc-edge --debug")
    assert "Traceback" not in error


@pytest.mark.parametrize("error", [EtcEdgeError("Found 3, expected 4."), ZeroDivisionError("by zero")])
def test_debug_shows_the_traceback(
    error: BaseException, ending: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    ending.append(error)
    assert main.run(["--debug", "end"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_ends_with_one_word(ending: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    ending.append(KeyboardInterrupt())
    assert main.run(["end"]) == 1
    assert capsys.readouterr().err.strip() == "interrupted"


def test_a_command_ends_with_the_code_that_it_chooses(ending: list[BaseException]) -> None:
    assert main.run(["end"]) == 0
    ending.append(click.exceptions.Exit(1))
    assert main.run(["end"]) == 1


def test_quiet_hides_progress(ending: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--quiet", "end"]) == 0
    assert main.run(["end"]) == 0
    assert capsys.readouterr().out == "quiet\nloud\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["docter"], "Found no command 'docter'. Did you mean 'doctor'?"),
        (["--nonsense"], "--nonsense"),
        (["doctor", "--nonsense"], "--nonsense"),
    ],
)
def test_wrong_use_ends_with_2_and_names_the_mistake(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert "--help" in error


def test_version_and_help_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out
    assert main.run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in main.COMMANDS if name not in shown] == []


def test_a_reader_that_goes_away_is_no_failure_to_shout_about() -> None:
    script = "from etc_edge.cli.main import main; main(['--help'])"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_termination_unwinds_as_an_interrupt_does(tmp_path: Path) -> None:
    """A service manager stops `run` with SIGTERM: what is half-written goes, and videos are finished."""
    script = f"""
        import sys, time, types
        from pathlib import Path
        import click
        from etc_edge.cli import main
        from etc_edge.core.atomic import atomic_file

        @click.command("write")
        def command():
            with atomic_file(Path({str(tmp_path)!r}) / "result") as temporary:
                temporary.write_text("half")
                time.sleep(60)

        module = types.ModuleType("etc_edge_test_command")
        module.command = command
        sys.modules[module.__name__] = module
        main.COMMANDS["write"] = (module.__name__, "Write.")
        main.main(["write"])
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 30
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(tmp_path.iterdir()), "the command began to write"
        os.kill(process.pid, signal.SIGTERM)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert error.strip() == "interrupted"
    assert list(tmp_path.iterdir()) == []
