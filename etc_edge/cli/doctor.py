"""`etc-edge doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from etc_edge.backends.board import Board
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
    _print_board(diagnosis)
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
        "H.264 encoders": encoders,
        "video decoders": " ".join(found.video_decoders) or click.style("none", fg="red"),
        "engine cache": f"{found.cache} ({found.cache_problem or 'writable'})",
    }
    _print_rows(rows)


def _print_board(found: Diagnosis) -> None:
    board = found.board
    cameras = [
        f"{one.device} ({one.name}{f'; {one.csi} by its image processor' if one.csi else ''})" for one in found.cameras
    ]
    rows = {
        "board": board.model,
        "JetPack": _jetpack(board) if board.jetson else None,
        "TensorRT": _tensorrt(board),
        "CUDA": board.cuda and f"{board.cuda} {'with' if board.nvcc else 'without'} its compiler",
        "GPU": "; ".join(_gpus(board)) or "none of NVIDIA's",
        "DLA cores": str(board.dla_cores or "none") if board.jetson else None,
        "power mode": _power_mode(board) if board.jetson else None,
        "device profile": board.profile and f"--target {board.profile}",
        "cameras": "; ".join(cameras) or "none attached",
        "GStreamer": board.gstreamer or "not installed by the system",
    }
    click.echo()
    _print_rows({name: value for name, value in rows.items() if value})
    for need in found.needs:
        click.echo(f"{'missing':<16} {click.style(need.what, fg='yellow')}; {need.command}")


def _jetpack(board: Board) -> str:
    if board.jetson_linux is None:
        return "unknown: found no /etc/nv_tegra_release, as in a container"
    return f"{board.jetpack or 'unknown'} (Jetson Linux {board.jetson_linux})"


def _tensorrt(board: Board) -> str | None:
    if board.tensorrt is None:
        return "none of JetPack's" if board.jetson else None
    python = f", for Python {board.tensorrt_python}" if board.tensorrt_python else ", without its module for Python"
    return f"{board.tensorrt} of the system{python}"


def _gpus(board: Board) -> list[str]:
    from etc_edge.backends.profiles import load_profile

    if board.gpus:
        return [
            f"{gpu.name} (compute capability {gpu.compute_capability}, driver {gpu.driver}, memory {gpu.memory})"
            for gpu in board.gpus
        ]
    if board.jetson and board.profile is not None:
        profile = load_profile(board.profile)
        return [f"{profile.architecture} (compute capability {profile.compute_capability}), by the board's name"]
    return [] if board.gpu_problem is None else [board.gpu_problem]


def _power_mode(board: Board) -> str:
    offered = f" of {', '.join(board.power_modes)}" if board.power_modes else ""
    return f"{board.power_mode or 'unknown: nvpmodel does not say'}{offered}"


def _print_rows(rows: dict[str, str]) -> None:
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
