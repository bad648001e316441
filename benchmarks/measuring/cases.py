"""Every benchmark with every network that there is, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etc_edge.core.progress import Progress
from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.stages.demo import MODEL as SHIPPED
from etc_edge.stages.export import ExportOptions, export
from etc_edge.stages.quantize import quantize
from measuring.calibration_frames import with_frames

NETWORKS = ("pspnet18", "pspnet_mobilenetv2")
HOLD_OUT = "espnet"
STREET = "synthetic:street?size=288x512&seed=11&frames=30&train=6&val=2"
STREET_FOOTAGE = "synthetic:street?size=288x512&seed=11"
STREET_CALIBRATION_FRAMES = 48
MEMORY_FRAMES = 5000


class Missing(Exception):
    """An input that a case needs is not there."""


@dataclass(frozen=True)
class Case:
    """One run of one script.

    Args:
        script: its file's stem.
        network: what it is run on.
        arguments: makes what it needs and gives its arguments; raises Missing.
    """

    script: str
    network: str
    arguments: Callable[[], list[str]]

    @property
    def name(self) -> str:
        """What its record is called."""
        return f"{self.script}-{self.network}"


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
            shipped = network == SHIPPED.stem
            frames = self.frames or (STREET_CALIBRATION_FRAMES if shipped else None)
            data = STREET if shipped else self.camvid()
            quantize(self.fp32(network), bundle, with_frames(QuantizeRecipe(), frames), data, progress=self.progress)
        return bundle

    def footage(self) -> str:
        """What `run` is timed on."""
        if self.source is not None:
            return self.source
        camvid = Path(self.camvid())
        return str(next((folder for folder in (camvid / "val" / "images", camvid / "val") if folder.is_dir()), camvid))


def cases(inputs: Inputs) -> list[Case]:
    """Every case there is, in the order in which the page shows them."""
    found = []
    for network in NETWORKS:
        found += [_peers(inputs, network, False), _cost(inputs, network), _end_to_end(inputs, network, False)]
        found += [_step(inputs, network), _training_step(inputs, network)]
    found.append(Case("hold_out", HOLD_OUT, lambda: _hold_out(inputs)))
    found.append(Case("labels_head", "full-size", lambda: _trial(inputs, "--rounds")))
    found += [_engine_alone(inputs, NETWORKS[1]), _repeated_runs(inputs, NETWORKS[1])]
    return [*found, _peers(inputs, SHIPPED.stem, True), _end_to_end(inputs, SHIPPED.stem, True)]


def _peers(inputs: Inputs, network: str, shipped: bool) -> Case:
    def arguments() -> list[str]:
        data = STREET if shipped else inputs.camvid()
        given = [str(inputs.fp32(network)), str(inputs.int8(network)), "--data", data]
        return given + _trial(inputs, "--frames", "--calibration-frames", "--rounds")

    return Case("int8_peers", network, arguments)


def _cost(inputs: Inputs, network: str) -> Case:
    def arguments() -> list[str]:
        return [str(inputs.fp32(network)), "--data", inputs.camvid(), *_trial(inputs, "--frames")]

    return Case("calibration_cost", network, arguments)


def _end_to_end(inputs: Inputs, network: str, shipped: bool) -> Case:
    def arguments() -> list[str]:
        source = STREET_FOOTAGE if shipped else inputs.footage()
        memory = MEMORY_FRAMES if inputs.frames is None else 10 * inputs.frames
        given = [str(inputs.int8(network)), "--source", source]
        # Memory does not depend on the network: the fast one is enough.
        watched = ["--memory", str(memory)] if network != "pspnet18" else []
        return [*given, *watched, *_trial(inputs, "--frames", "--rounds")]

    return Case("end_to_end", network, arguments)


def _engine_alone(inputs: Inputs, network: str) -> Case:
    return Case("engine_alone", network, lambda: [str(inputs.int8(network)), *_trial(inputs, "--rounds", "--calls")])


def _repeated_runs(inputs: Inputs, network: str) -> Case:
    def arguments() -> list[str]:
        brief = [] if inputs.frames is None else ["--at-most", "2"]
        return [str(inputs.int8(network)), *_trial(inputs, "--repetitions", "--simulations"), *brief]

    return Case("repeated_runs", network, arguments)


def _step(inputs: Inputs, network: str) -> Case:
    def arguments() -> list[str]:
        return [str(inputs.fp32(network)), str(inputs.int8(network)), *_trial(inputs, "--rounds")]

    return Case("fake_quantization_step", network, arguments)


def _training_step(inputs: Inputs, network: str) -> Case:
    return Case("training_step", network, lambda: [network, *_trial(inputs, "--rounds")])


def _hold_out(inputs: Inputs) -> list[str]:
    model = inputs.hold_out or inputs.weights(HOLD_OUT)
    given = [str(model), "--data", inputs.camvid()]
    return given + _trial(inputs, "--frames", "--calibration-frames", "--rounds")


def _trial(inputs: Inputs, *options: str) -> list[str]:
    return [] if inputs.frames is None else [word for option in options for word in (option, str(inputs.frames))]
