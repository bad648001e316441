"""`etc-edge compile`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compile")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--target", default="cpu", show_default=True, help="cpu (the faster engine here), or a backend.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the engine; left out, the user's cache.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one inference; left out, all cores.")
def command(bundle: Path, target: str, out: Path | None, threads: int | None) -> None:
    """Turn a bundle into an engine for this device, tried on the bundle's self-test.

    BUNDLE is a folder NAME.etc. The vendor's compiler runs in a process of its own, so that one that crashes is one
    line here. An engine runs only on the processor and with the versions that it was compiled for.
    """
    from etc_edge.cli.settings import progress
    from etc_edge.stages.compile import compile_bundle

    compiled = compile_bundle(bundle, target, out, threads, progress())
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
