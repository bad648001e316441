"""Every benchmark with every network that there is, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from etc_edge.stages.demo import MODEL as SHIPPED
from measuring.inputs import HOLD_OUT, Inputs

DEEP, COMPACT, SMALL = "pspnet18", "pspnet_mobilenetv2", SHIPPED.stem
LONG = f"{COMPACT}_long"
MEMORY_FRAMES = 5000
# Frames of a turn and turns of each side: a turn takes a second or two and a case about two minutes, so that all cases
# fit into an hour in which a machine does nothing else.
TURNS = {DEEP: (40, 4), COMPACT: (150, 4), SMALL: (300, 4)}
# Frames of a turn for the authors' way, which opens the video anew each time.
AUTHORS_FRAMES = 96

Arguments = Callable[[Inputs, str], list[str]]


@dataclass(frozen=True)
class Case:
    """One run of one script.

    Args:
        script: its file's stem.
        network: what it is run on.
        arguments: makes what it needs and gives its arguments; raises Missing.
        needs: hardware without which there is nothing to measure, in words; "" where any machine will do.
    """

    script: str
    network: str
    arguments: Callable[[], list[str]]
    needs: str = ""

    @property
    def name(self) -> str:
        """What its record is called."""
        return f"{self.script}-{self.network}"


def cases(inputs: Inputs) -> list[Case]:
    """Every case there is, in the order in which the page shows them."""

    def case(script: str, network: str, arguments: Arguments) -> Case:
        return Case(script, network, lambda: arguments(inputs, network), _NEEDS.get(script, ""))

    return [case(*row) for row in _CASES]


def _peers(inputs: Inputs, network: str) -> list[str]:
    given = [str(inputs.fp32(network)), str(inputs.int8(network)), "--data", inputs.data_for(network)]
    tuned = inputs.finetuned(network)
    given += [] if tuned is None else ["--finetuned", str(tuned)]
    return given + inputs.trial("--frames", "--calibration-frames", "--rounds")


def _hold_out(inputs: Inputs, network: str) -> list[str]:
    given = [str(inputs.foreign()), "--data", inputs.camvid(), "--finetune", "quantize/camvid-finetune"]
    return given + inputs.trial("--frames", "--calibration-frames", "--rounds")


def _calibration(inputs: Inputs, network: str) -> list[str]:
    return [str(inputs.fp32(network)), "--data", inputs.data_for(network), *inputs.trial("--frames")]


def _end_to_end(inputs: Inputs, network: str) -> list[str]:
    memory = MEMORY_FRAMES if inputs.frames is None else 10 * inputs.frames
    frames, rounds = TURNS[network]
    given = [str(inputs.int8(network)), "--source", inputs.footage_for(network)]
    given += ["--frames", str(frames), "--rounds", str(rounds)]
    # Memory does not depend on the network: the fastest is enough.
    watched = ["--memory", str(memory)] if network == SMALL else []
    # Where the network takes least time, what is around it weighs most.
    beside = ["--peers-goal", "1.5"] if network == SMALL else []
    return [*given, *watched, *beside, *inputs.trial("--frames", "--rounds")]


def _turns(inputs: Inputs, network: str) -> list[str]:
    given = [str(inputs.int8(network)), "--source", inputs.footage_for(network)]
    return given + inputs.trial("--frames", "--rounds")


def _one_pass(inputs: Inputs, network: str) -> list[str]:
    given = [str(inputs.int8(network)), "--source", inputs.footage_for(network)]
    return given if inputs.frames is None else [*given, "--frames", str(100 * inputs.frames)]


def _authors_way(inputs: Inputs, network: str) -> list[str]:
    given = [str(inputs.weights(network)), str(inputs.int8(network)), "--source", inputs.footage_for(network)]
    return [*given, "--frames", str(AUTHORS_FRAMES), *inputs.trial("--frames", "--rounds")]


def _outside_tools(inputs: Inputs, network: str) -> list[str]:
    given = [str(inputs.int8(network)), "--data", inputs.camvid()]
    return given if inputs.frames is None else [*given, "--frames", str(max(2, inputs.frames))]


def _engine_alone(inputs: Inputs, network: str) -> list[str]:
    return [str(inputs.int8(network)), *inputs.trial("--rounds", "--calls")]


def _repeated_runs(inputs: Inputs, network: str) -> list[str]:
    brief = [] if inputs.frames is None else ["--at-most", "2"]
    return [str(inputs.int8(network)), *inputs.trial("--repetitions", "--simulations"), *brief]


def _int8(inputs: Inputs, network: str) -> list[str]:
    return [str(inputs.int8(network)), *inputs.trial("--rounds")]


def _both(inputs: Inputs, network: str) -> list[str]:
    return [str(inputs.fp32(network)), *_int8(inputs, network)]


def _batching(inputs: Inputs, network: str) -> list[str]:
    return [str(inputs.int8(SMALL)), *_both(inputs, network)]


def _training_step(inputs: Inputs, network: str) -> list[str]:
    return [network, *inputs.trial("--rounds")]


def _rounds(inputs: Inputs, network: str) -> list[str]:
    return inputs.trial("--rounds")


def _torch_gpu(inputs: Inputs, network: str) -> list[str]:
    return [str(inputs.weights(network)), *inputs.trial("--rounds")]


_NEEDS = {"torch_gpu": "an NVIDIA GPU"}

# Accuracy, training, the runtime, the protocol. What needs no network is named after its size or device instead.
_CASES: tuple[tuple[str, str, Arguments], ...] = (
    ("int8_peers", DEEP, _peers),
    ("int8_peers", LONG, _peers),
    ("int8_peers", SMALL, _peers),
    ("hold_out", HOLD_OUT, _hold_out),
    ("budget_search", COMPACT, _calibration),
    ("steady_calibration", COMPACT, _calibration),
    ("calibration_cost", DEEP, _calibration),
    ("calibration_cost", COMPACT, _calibration),
    ("fake_quantization_step", DEEP, _both),
    ("fake_quantization_step", COMPACT, _both),
    ("training_step", DEEP, _training_step),
    ("training_step", COMPACT, _training_step),
    ("end_to_end", DEEP, _end_to_end),
    ("end_to_end", COMPACT, _end_to_end),
    ("end_to_end", SMALL, _end_to_end),
    ("authors_way", COMPACT, _authors_way),
    ("labels_head", "full-size", _rounds),
    ("added_latency", COMPACT, _one_pass),
    ("several_streams", COMPACT, _turns),
    ("several_streams", SMALL, _turns),
    ("batching", COMPACT, _batching),
    ("first_label", COMPACT, _int8),
    ("long_run", SMALL, _one_pass),
    ("preview_cost", COMPACT, _turns),
    ("simulated_gpu", "simulated", _rounds),
    ("torch_gpu", DEEP, _torch_gpu),
    ("outside_tools", COMPACT, _outside_tools),
    ("engine_alone", COMPACT, _engine_alone),
    ("repeated_runs", COMPACT, _repeated_runs),
)
