"""`etc-edge doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from etc_edge.stages.doctor import Ability, Diagnosis


@click.command("doctor")
@click.pass_context
def command(context: click.Context) -> None:
    """Say what this machine can run, and what to install for the rest.

    Ends with 1 when no target works here.
    """
    from etc_edge.stages.doctor import doctor

    diagnosis = doctor()
    _print_machine(diagnosis)
    _print_packages(diagnosis)
    _print_verdict("target", diagnosis.targets)
    _print_verdict("work", diagnosis.work)
    if all(target.missing for target in diagnosis.targets):
        context.exit(1)


def _print_machine(found: Diagnosis) -> None:
    memory = "unknown"
    if found.memory_bytes is not None and found.memory_available_bytes is not None:
        memory = f"{_gib(found.memory_bytes)}, {_gib(found.memory_available_bytes)} available"
    encoders = " ".join(found.video_encoders) or click.style("none: `run --out` can write no video", fg="red")
    rows = {
        "Python": found.python,
        "system": found.system,
        "processor": found.cpu,
        "instructions": " ".join(found.cpu_flags) or "none of those that speed INT8 up",
        "cores": f"{found.cores} usable of {found.cores_total}",
        "memory": memory,
        "accelerators": "; ".join(found.accelerators) or "none found",
        "H.264 encoders": encoders,
        "video decoders": " ".join(found.video_decoders) or click.style("none", fg="red"),
        "engine cache": f"{found.cache} ({found.cache_problem or 'writable'})",
    }
    for name, value in rows.items():
        click.echo(f"{name:<16} {value}")


def _print_packages(found: Diagnosis) -> None:
    click.echo()
    for package in found.packages:
        if package.problem is None:
            click.echo(f"{package.module:<16} {package.version}")
        else:
            click.echo(f"{package.module:<16} {click.style(package.problem, fg='yellow')}; {package.install}")


def _print_verdict(kind: str, abilities: tuple[Ability, ...]) -> None:
    click.echo()
    for ability in abilities:
        works = click.style("works here", fg="green")
        verdict = works if not ability.missing else f"needs {' and '.join(ability.missing)}"
        click.echo(f"{kind:<7} {ability.name:<31} {verdict}")


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GiB"
