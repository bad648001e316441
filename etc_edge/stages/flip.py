"""From a bundle to one that looks at every frame twice, as it is and mirrored, for evaluation only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from etc_edge.backends.compiled import is_compiled
from etc_edge.core.bundle import Bundle, BundleContents, SelfTest, write_bundle
from etc_edge.core.errors import BundleError
from etc_edge.core.optional import require

if TYPE_CHECKING:
    from etc_edge.graph.flip import Average


def flip(model: Path, out: Path, average: Average = "logits") -> Bundle:
    """Make a bundle whose labels are those of each frame and its mirror image together; see `two_views`.

    Args:
        model: a bundle of any precision.
        out: the bundle to write, `NAME.etc`. It costs twice the other's work and holds the same weights.
        average: what of the two views is averaged.

    Raises:
        EtcEdgeError: the bundle is missing or changed, or is no bundle but an engine.
    """
    require("onnx", "graph", "averaging a frame's two views")
    from etc_edge.graph.flip import two_views
    from etc_edge.graph.load import load_model, to_bytes
    from etc_edge.stages.export import labels_of

    if is_compiled(model):
        raise BundleError(
            f"Found a compiled engine at {model}, expected a bundle: what an engine computes is fixed.",
            "Give the bundle that it was compiled from.",
        )
    bundle = Bundle.open(model)
    bundle.verify()
    graph, averaged = two_views(load_model(bundle.model_path), bundle.manifest.logits, average)
    content, frames = to_bytes(graph), bundle.selftest().frames
    return write_bundle(
        out,
        BundleContents(
            name=f"{bundle.name}-flip",
            precision=bundle.precision,
            labels=bundle.labels,
            preprocessing=bundle.preprocessing,
            logits=averaged,
            model=content,
            selftest=SelfTest(frames, labels_of(content, frames)),
            parents=(bundle.hash,),
            recipe={**bundle.manifest.recipe, "flip": {"average": average}},
        ),
    )


@contextmanager
def flipped_bundle(model: Path, average: Average = "logits") -> Iterator[Path]:
    """A bundle made by `flip` that lives as long as the `with` block.

    Raises:
        EtcEdgeError: as `flip`.
    """
    with TemporaryDirectory(prefix="etc-edge-flip-") as folder:
        yield flip(model, Path(folder) / f"{model.stem}-flip.etc", average).path
