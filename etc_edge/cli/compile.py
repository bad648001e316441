"""`etc-edge compile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etc_edge.core.optional import require

if TYPE_CHECKING:
    from etc_edge.graph.int8_chains import ChainReport


@click.command("compile")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--target",
    default="cpu",
    show_default=True,
    help="cpu (the faster engine here), a backend, or a device profile such as jetson-orin.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the engine; left out, the user's cache.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one inference; left out, all cores.")
@click.option("--precision", type=click.Choice(["int8", "fp8", "fp16", "fp32"]), help="Of a TensorRT build.")
@click.option("--dla-core", type=click.IntRange(min=0), help="Deep learning accelerator of a Jetson to run on.")
@click.option("--workspace-mib", type=click.IntRange(min=1), help="Scratch memory that a TensorRT build may use.")
@click.option(
    "--optimization-level", type=click.IntRange(0, 5), help="0 builds fast, 5 searches longest for fast kernels."
)
@click.option("--version-compatible", is_flag=True, help="Also load with later TensorRT versions, a little slower.")
@click.option("--hardware-compatible", is_flag=True, help="Also run on other GPUs from Ampere on, a little slower.")
@click.option("--dry-run", "dry", is_flag=True, help="Say what TensorRT would build, without TensorRT.")
@click.option("--data", help="With --dry-run: measure on labelled clips what the engine will compute.")
@click.option("--split", default="val", show_default=True, help="Split of the data set.")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after so many frames.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write results to a file.")
@click.option(
    "--calibration-cache",
    type=(click.Path(path_type=Path, dir_okay=False), str),
    metavar="FILE VERSION",
    help="Write ranges for `trtexec --calib` of that TensorRT (to 10), and FILE.onnx, the graph that they are for.",
)
def command(
    bundle: Path,
    target: str,
    out: Path | None,
    threads: int | None,
    precision: str | None,
    dla_core: int | None,
    workspace_mib: int | None,
    optimization_level: int | None,
    version_compatible: bool,
    hardware_compatible: bool,
    dry: bool,
    data: str | None,
    split: str,
    frames: int | None,
    json_path: Path | None,
    calibration_cache: tuple[Path, str] | None,
) -> None:
    """Turn a bundle into an engine for this device, tried on the bundle's self-test.

    BUNDLE is a folder NAME.etc. The vendor's compiler runs in a process of its own, so that one that crashes is one
    line here. An engine runs only on the processor and with the versions that it was compiled for.
    """
    if not dry and (data is not None or frames is not None or json_path is not None):
        raise click.UsageError("Found --data, --frames or --json without --dry-run: measure an engine with evaluate.")
    if data is None and (frames is not None or json_path is not None):
        raise click.UsageError("Found --frames or --json without --data: there is nothing to measure.")
    if calibration_cache is not None:
        _calibration_cache(bundle, *calibration_cache)
        return
    if dry:
        _dry_run(bundle, target, precision, dla_core, workspace_mib, data, split, frames, threads, json_path)
        return
    from etc_edge.cli.settings import progress
    from etc_edge.stages.compile import compile_bundle

    compiled = compile_bundle(
        bundle,
        target,
        out,
        threads,
        progress(),
        precision=precision,
        dla_core=dla_core,
        workspace_mib=workspace_mib,
        optimization_level=optimization_level,
        version_compatible=version_compatible,
        hardware_compatible=hardware_compatible,
    )
    manifest = compiled.manifest
    size = sum((compiled.path / name).stat().st_size for name in manifest.files)
    rows = {
        "engine": str(compiled.path),
        "backend": f"{manifest.backend} {manifest.backend_version}",
        "device": manifest.device,
        "threads": str(compiled.options.threads),
        "size": f"{size / 1e6:.2f} MB",
        "self-test": f"{manifest.selftest_agreement:.4f} of the pixels as the bundle states",
    }
    if manifest.note:
        rows["note"] = manifest.note
    for name, value in rows.items():
        click.echo(f"{name:<10} {value}")


def _calibration_cache(bundle: Path, path: Path, tensorrt_version: str) -> None:
    require("onnx", "graph", "writing a calibration cache")
    from etc_edge.stages.dry_run import write_calibration_cache, write_float_graph

    graph = path.with_name(f"{path.name}.onnx")
    count = write_calibration_cache(bundle, path, tensorrt_version)
    write_float_graph(bundle, graph)
    click.echo(f"wrote the ranges of {count} tensors to {path} and the graph to {graph}")
    click.echo(f"try: trtexec --onnx={graph} --int8 --fp16 --calib={path}")


def _dry_run(
    bundle: Path,
    target: str,
    precision: str | None,
    dla_core: int | None,
    workspace_mib: int | None,
    data: str | None,
    split: str,
    frames: int | None,
    threads: int | None,
    json_path: Path | None,
) -> None:
    require("onnx", "graph", "a dry run")
    from etc_edge.backends.profiles import profile_names, resolve
    from etc_edge.cli.settings import progress
    from etc_edge.core.bundle import Bundle
    from etc_edge.core.results import save_results
    from etc_edge.core.table import nearest
    from etc_edge.report.table import print_results
    from etc_edge.stages.dry_run import dry_run

    if target != "tensorrt" and target not in profile_names():
        raise click.UsageError(
            f"Found --dry-run for the target {target!r}, expected tensorrt or a device profile. "
            f"{nearest(target, ['tensorrt', *profile_names()])}"
        )
    chosen: Any = precision
    if target != "tensorrt":
        resolved = resolve(target, Bundle.open(bundle).precision, precision, dla_core, workspace_mib)
        chosen, profile = resolved.precision, resolved.profile
        place = "the GPU" if resolved.dla_core is None else f"DLA core {resolved.dla_core}"
        rows = {
            "device": f"{profile.title} ({profile.architecture}, compute capability {profile.compute_capability})",
            "TensorRT": f"{profile.tensorrt.at_least} or later, before {profile.tensorrt.below}",
            "build": f"{resolved.precision} on {place}, {resolved.workspace_mib} MiB of workspace",
        }
        for name, value in rows.items():
            click.echo(f"{name:<10} {value}")
    found = dry_run(bundle, chosen, data, split, frames, threads, progress())
    elsewhere = ", FP16 elsewhere" if found.chains else ""
    click.echo(f"{'precision':<10} {found.precision}{elsewhere}")
    for name, reason in found.float32_nodes.items():
        click.echo(f"  in FP32: {name}: {reason}")
    if found.chains is not None:
        print_chains(found.chains, found.precision)
    if found.results is not None:
        click.echo("What the engine will compute, run by ONNX Runtime (its times say nothing of a device):")
        print_results(found.results)
        if json_path is not None:
            save_results(found.results, json_path)
            click.echo(f"results in {json_path}")


def print_chains(chains: ChainReport, precision: str) -> None:
    """Print the share of multiply-adds in 8 bits, and what breaks a chain."""
    work = f"{chains.share:.2%} of {chains.total_macs / 1e9:.2f} G multiply-adds"
    click.echo(f"{'chains':<10} {work} in {precision.upper()}")
    for one in chains.breaks:
        cost = f"{one.macs / max(1, chains.total_macs):.3%} in float" if one.macs else "result in float"
        click.echo(f"  {cost:<16} {one.kind} {one.node}: {one.reason}")
