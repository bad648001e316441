"""The command `etc-edge`: finds the subcommand, and turns every failure into one clear line.

Exit codes: 0 done, 1 the work failed or a gate did not hold, 2 the command was used wrongly.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

import click

from etc_edge import __version__
from etc_edge.cli.settings import Settings
from etc_edge.core.errors import EtcEdgeError

# Name: (module that holds `command`, the line in `etc-edge --help`). Modules are imported when their command
# is called, so that help answers at once and needs no optional package.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("etc_edge.cli.demo", "Take a small shipped network the whole way, in under a minute."),
    "train": ("etc_edge.cli.train", "Train a network from a recipe."),
    "export": ("etc_edge.cli.export", "Make an FP32 bundle from a checkpoint or an ONNX network."),
    "quantize": ("etc_edge.cli.quantize", "Turn an FP32 bundle into an INT8 bundle."),
    "sensitivity": ("etc_edge.cli.sensitivity", "Measure what each quantized group of a network costs by itself."),
    "compile": ("etc_edge.cli.compile", "Turn a bundle into an engine for this device."),
    "run": ("etc_edge.cli.run", "Run a model on a source of frames."),
    "evaluate": ("etc_edge.cli.evaluate", "Measure accuracy, steadiness and latency on labelled clips."),
    "benchmark": ("etc_edge.cli.benchmark", "Time models on engines against each other."),
    "compare": ("etc_edge.cli.compare", "Compare two results files, and hold a release to gates."),
    "report": ("etc_edge.cli.report", "Show results as one HTML file, as Markdown or on the terminal."),
    "inspect": ("etc_edge.cli.inspect", "Show what a bundle holds."),
    "verify": ("etc_edge.cli.verify", "Check a bundle's files, and an engine on its self-test."),
    "doctor": ("etc_edge.cli.doctor", "Say what this machine can run, and what to install for the rest."),
}


class CommandTable(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table, which is the order of work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest name for an unknown command."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from etc_edge.core.table import nearest

            ctx.fail(f"Found no command {name!r}. {nearest(name, list(COMMANDS))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.version_option(__version__, prog_name="etc-edge")
@click.pass_obj
def cli(settings: Settings, debug: bool, quiet: bool) -> None:
    """Put a video-segmentation network on an edge device, and prove that it stayed accurate and steady."""
    settings.debug, settings.quiet = debug, quiet


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line on `arguments`; returns the exit code, and raises nothing."""
    settings = Settings()
    _treat_termination_as_interrupt()
    try:
        code = cli.main(list(arguments), prog_name="etc-edge", standalone_mode=False, obj=settings)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        _report(error.format_message(), None if context is None else f"Try: {context.command_path} --help", settings)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone, as in `etc-edge inspect … | head`. Python would complain once more
        # when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except EtcEdgeError as error:
        _report(error.message, error.hint, settings)
        return error.exit_code
    except Exception as error:
        text = " ".join(str(error).split())
        message = f"{type(error).__name__}: {text}" if text else type(error).__name__
        _report(message, None if settings.debug else "Run again as `etc-edge --debug …` for the traceback.", settings)
        return 1


def _report(message: str, hint: str | None, settings: Settings) -> None:
    if settings.debug:
        import traceback

        traceback.print_exc()
    click.echo(f"{click.style('error:', fg='red')} {message}", err=True)
    if hint is not None:
        click.echo(f"{click.style('hint:', fg='yellow')} {hint}", err=True)


def _treat_termination_as_interrupt() -> None:
    """Let SIGTERM end the work as Ctrl-C does: videos are finished and half-written files removed.

    Only in this process: one that is forked from it, such as a data loader's worker, dies at once as usual.
    """
    process = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    with suppress(ValueError):  # raised outside the main thread: there, whoever calls us handles signals
        signal.signal(signal.SIGTERM, interrupt)


if __name__ == "__main__":
    main()
