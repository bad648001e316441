"""The option `--target`: what is run on, or whose grid is quantized for."""

from __future__ import annotations

import click

engine_option = click.option(
    "--target",
    default="cpu",
    show_default=True,
    help="cpu (the faster engine here), another backend, or a device profile; `doctor` lists what runs here.",
)

grid_option = click.option("--target", default="cpu", show_default=True, help="Whose grid to use: cpu, tensorrt, …")
