"""What benchmarks are run on: networks, data and footage, made where they are not there yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etc_edge.core.progress import Progress
from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.stages.demo import MODEL as SHIPPED
from etc_edge.stages.export import ExportOptions, export
from etc_edge.stages.quantize import quantize
from measuring.calibration_frames import with_frames

HOLD_OUT = "espnet"
STREET = "synthetic:street?size=288x512&seed=11&frames=30&train=6&val=2"
STREET_FOOTAGE = "synthetic:street?size=288x512&seed=11"
STREET_CALIBRATION_FRAMES = 48


class Missing(Exception):
    """An input that a case needs is not there."""


@dataclass
class Inputs:
    """Where things are, and bundles made on demand.

    Args:
        root: the repository.
        data: CamVid's folder, or None.
        source: a video or a folder of images for `run`; None takes the data's validation images.
        hold_out: a network from elsewhere; None looks for ours.
        work: an existing folder for bundles.
        frames: how many frames to look at in a trial, or None.
        progress: told what is made.
    """

    root: Path
    data: Path | None
    source: str | None
    hold_out: Path | None
    work: Path
    frames: int | None
    progress: Progress

    def camvid(self) -> str:
        """The data set."""
        if self.data is None:
            raise Missing("no data; give CamVid's folder with --data")
        return str(self.data)

    def weights(self, network: str) -> Path:
        """Released weights, or those of a finished training."""
        names = (f"zoo/{network}-camvid.safetensors", f"runs/camvid-{network}/model.safetensors")
        for name in names:
            if (self.root / name).is_file():
                return self.root / name
        raise Missing(f"no weights: neither {' nor '.join(names)}")

    def fp32(self, network: str) -> Path:
        """The FP32 bundle of a network: the shipped one, or exported from its weights."""
        if network == SHIPPED.stem:
            return SHIPPED
        bundle = self.work / f"{network}.etc"
        if not bundle.exists():
            export(self.weights(network), bundle, ExportOptions(name=f"{network}-camvid"), self.progress)
        return bundle

    def int8(self, network: str) -> Path:
        """The released INT8 bundle, or one that is calibrated now."""
        released = self.root / "zoo" / f"{network}-camvid-int8.etc"
        if released.is_dir():
            return released
        bundle = self.work / f"{network}-int8.etc"
        if not bundle.exists():
            frames = self.frames or (STREET_CALIBRATION_FRAMES if network == SHIPPED.stem else None)
            recipe = with_frames(QuantizeRecipe(), frames)
            quantize(self.fp32(network), bundle, recipe, self.data_for(network), progress=self.progress)
        return bundle

    def finetuned(self, network: str) -> Path | None:
        """Our fine-tuned INT8 bundle, where there is one."""
        places = (self.root / folder / f"{network}-camvid-finetuned.etc" for folder in ("zoo", "runs"))
        return next((place for place in places if place.is_dir()), None)

    def footage(self) -> str:
        """What `run` is timed on."""
        if self.source is not None:
            return self.source
        camvid = Path(self.camvid())
        return str(next((folder for folder in (camvid / "val" / "images", camvid / "val") if folder.is_dir()), camvid))

    def data_for(self, network: str) -> str:
        """What a network is calibrated and measured on."""
        return STREET if network == SHIPPED.stem else self.camvid()

    def footage_for(self, network: str) -> str:
        """What a network's frames come from."""
        return STREET_FOOTAGE if network == SHIPPED.stem else self.footage()

    def foreign(self) -> Path:
        """The network from elsewhere."""
        return self.hold_out or self.weights(HOLD_OUT)

    def trial(self, *options: str) -> list[str]:
        """Options with the number of frames of a trial; nothing where it is no trial."""
        return [] if self.frames is None else [word for option in options for word in (option, str(self.frames))]
