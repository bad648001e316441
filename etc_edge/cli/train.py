"""`etc-edge train`."""

from __future__ import annotations

from pathlib import Path

import click

from etc_edge.cli.settings import progress


@click.command("train")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--data", metavar="DIR", help="The data set, instead of the recipe's: a folder or synthetic:street.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="The run's folder.  [default: runs/RECIPE]"
)
@click.option("--resume", is_flag=True, help="Go on with the run in the folder.")
@click.option(
    "--pretrained",
    type=click.Path(path_type=Path, exists=True),
    envvar="ETC_EDGE_WEIGHTS",
    show_envvar=True,
    help="ImageNet weights, or the folder that holds the file which the recipe names.",
)
@click.option(
    "--start",
    type=click.Path(path_type=Path),
    help="Weights of the whole network to go on from: a .safetensors or .pth.",
)
@click.option(
    "--teacher",
    type=click.Path(path_type=Path),
    help="Weights or a bundle to distil from, instead of the recipe's teacher.path.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the recipe's.")
def command(
    recipe: Path,
    data: str | None,
    out: Path | None,
    resume: bool,
    pretrained: Path | None,
    start: Path | None,
    teacher: Path | None,
    seed: int | None,
) -> None:
    """Train a network from RECIPE: a YAML file, or the name of a shipped one such as camvid-pspnet18.

    Ctrl-C writes a checkpoint before it stops; a run that ended in any way goes on with --resume.
    """
    from etc_edge.core.shipped import find_shipped
    from etc_edge.stages.train import train

    recipe = find_shipped("recipes/train", recipe)
    result = train(
        recipe, out or Path("runs") / recipe.stem, data, resume, pretrained, start, teacher, seed, progress()
    )
    if not result.is_first:
        return
    held_out = "" if result.miou is None else f", mIoU {result.miou:.3f} on held-out training frames"
    click.echo(f"{result.weights}: {result.iterations} iterations{held_out}")
