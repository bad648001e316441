"""Sensitivity: what each group of a quantized network costs by itself, all others in float.

Alone, not all but one: the error of one group is then not buried under those of the others, and errors of different
groups add up in power as long as they are small, so that a sum over groups predicts what any choice of them costs. The
group runs on the integer kernels of this processor in ONNX Runtime; the network before it is float in every variant
and is computed once, up to the last cut where little is alive.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from etc_edge.backends.device import lowering_here
from etc_edge.backends.labels_head import LabelsHead
from etc_edge.core.errors import CalibrationError
from etc_edge.core.optional import require
from etc_edge.core.sensitivity import GroupCost
from etc_edge.frames.preprocess import fit_frame, fit_labels
from etc_edge.graph.cut import Cut, narrow_cuts, rest_after
from etc_edge.graph.heads import LABELS, take_off_head
from etc_edge.graph.load import to_bytes
from etc_edge.graph.lower import lower
from etc_edge.graph.preprocess import FRAME
from etc_edge.graph.view import GraphView
from etc_edge.metrics.examination import Examination, Examined
from etc_edge.quantization.bias_correction import apply_corrections
from etc_edge.quantization.placement import place_only
from etc_edge.quantization.quantize import quantized_graph
from etc_edge.quantization.ranges import Ranges

Float = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

MOST_BYTES_ALIVE = 2_500_000
"""Of one frame at a cut: sixty frames are then kept in 150 MB on disk."""

WHOLE = "all groups"


@dataclass(frozen=True)
class Variant:
    """A network with some operators quantized.

    Args:
        name: what its cost is called.
        nodes: names of the operators that are quantized; it is float up to the first of them.
    """

    name: str
    nodes: frozenset[str]


@dataclass(frozen=True)
class Network:
    """What variants are made from.

    Args:
        model: a deployed float graph, equalised.
        logits: what labels are the argmax of.
        size_hw: of frames.
        ranges: of all that may be quantized.
    """

    model: onnx.ModelProto
    logits: str
    size_hw: tuple[int, int]
    ranges: Ranges

    def quantized(self, rest: onnx.ModelProto, nodes: frozenset[str]) -> onnx.ModelProto:
        """The rest of the graph with the named operators quantized, whether or not that pays."""
        placement = place_only(rest, self.logits, nodes)
        spans = {name: span for name, span in self.ranges.tensors.items() if name in placement.tensors}
        due = {name: np.array(added) for name, added in self.ranges.bias_correction.items() if name in nodes}
        corrected = apply_corrections(rest, due)
        return quantized_graph(corrected, placement, spans, self.ranges.scheme, self.ranges.weights)


def costs(
    network: Network, variants: Sequence[Variant], examination: Examination, processes: int
) -> Iterator[GroupCost]:
    """What each variant costs, in the order in which they are done.

    Args:
        network: the network.
        variants: what to quantize.
        examination: the frames.
        processes: how many work side by side, each on one core.

    Raises:
        CalibrationError: ONNX Runtime refused a graph.
    """
    if not variants:
        return
    with tempfile.TemporaryDirectory(prefix="etc-edge-sensitivity-") as folder:
        cuts = _cuts_for(network, variants)
        used = {cut.position: cut for cut in cuts.values() if cut is not None}
        reference = _float_run(network, list(used.values()), examination, Path(folder))
        work = _Work(network, examination, reference, Path(folder))
        if processes == 1:
            yield from (_cost(work, variant, cuts[variant.name]) for variant in variants)
            return
        with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (work,)) as pool:
            waiting = [pool.submit(_cost_there, variant, cuts[variant.name]) for variant in variants]
            try:
                for done in as_completed(waiting):
                    yield done.result()
            finally:
                for one in waiting:
                    one.cancel()


@dataclass(frozen=True, eq=False)
class _Reference:
    logits: Float
    examined: Examined


@dataclass(frozen=True, eq=False)
class _Work:
    network: Network
    examination: Examination
    reference: _Reference
    folder: Path


_here: list[_Work] = []


def _begin(work: _Work) -> None:
    _here[:] = [work]


def _cost_there(variant: Variant, cut: Cut | None) -> GroupCost:
    return _cost(_here[0], variant, cut)


def _cuts_for(network: Network, variants: Sequence[Variant]) -> dict[str, Cut | None]:
    """For each variant the last cut before its first quantized operator; at most a dozen different ones."""
    nodes = list(network.model.graph.node)
    cuts = narrow_cuts(network.model, network.logits, MOST_BYTES_ALIVE)
    step = max(1, -(-len(cuts) // 12))
    cuts = cuts[::step]
    found: dict[str, Cut | None] = {}
    for variant in variants:
        own = {name for node in nodes if node.name in variant.nodes for name in node.input}
        # Whoever reads a tensor that is quantized here reads its codes, so those readers come after the cut as well.
        first = next(number for number, node in enumerate(nodes) if own.intersection(node.input))
        found[variant.name] = next((cut for cut in reversed(cuts) if cut.position <= first), None)
    return found


class _Runner:
    """Runs a graph from frames, or from what is alive at a cut, to logits and labels; one core."""

    def __init__(self, network: Network, cut: Cut | None, nodes: frozenset[str] = frozenset()) -> None:
        headless = take_off_head(network.model)
        self.cut, self.outputs, self.head = cut, [network.logits], None
        if headless is None:
            self.outputs.append(LABELS)
        else:
            size_hw = GraphView(network.model).static_shape(network.logits)[2:]
            self.head = LabelsHead((size_hw[0], size_hw[1]), network.size_hw, headless[1])
        self.model = rest_after(network.model, cut, self.outputs)
        if nodes:
            self.model = lower(network.quantized(self.model, nodes), lowering_here("onnxruntime"))
        self.size_hw = network.size_hw

    def load(self, more: Sequence[str] = ()) -> None:
        """Make it ready to give some more float tensors, too."""
        infos = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in more]
        self.model.graph.output.extend(info for info in infos if info.name not in self.outputs)
        self.more, self.session = list(more), _session(self.model)

    def run(self, image: UInt8, alive: Mapping[str, Any]) -> tuple[Float, UInt8, list[Float]]:
        """Logits (classes, h, w), labels of the image's size, and what else was asked for."""
        inputs = {FRAME: fit_frame(image, self.size_hw)[None]} if self.cut is None else dict(alive)
        values = self.session.run([*self.outputs, *self.more], inputs)
        labels = self.head(values[0][0]) if self.head is not None else values[1][0]
        return values[0][0], fit_labels(labels, image.shape[:2]), values[len(self.outputs) :]


def _float_run(network: Network, cuts: Sequence[Cut], examination: Examination, folder: Path) -> _Reference:
    """Run the float network once; what is alive at the cuts goes to the folder, an array a tensor."""
    wanted = list(dict.fromkeys(name for cut in cuts for name in cut.tensors))
    runner = _Runner(network, None)
    runner.load(wanted)
    stored: dict[str, Any] = {}
    logits: list[Float] = []

    def predict(number: int) -> UInt8:
        found, labels, alive = runner.run(examination.shots[number].image_rgb, {})
        for place, (name, value) in enumerate(zip(wanted, alive, strict=True)):
            if name not in stored:
                (folder / f"{place}.name").write_text(name, encoding="utf-8")
                shape = (len(examination.shots), *value.shape)
                stored[name] = np.lib.format.open_memmap(folder / f"{place}.npy", "w+", np.float32, shape)
            stored[name][number] = value
        logits.append(found)
        return labels

    examined = examination.examine(predict)
    for array in stored.values():
        array.flush()
    return _Reference(np.stack(logits), examined)


def _cost(work: _Work, variant: Variant, cut: Cut | None) -> GroupCost:
    runner = _Runner(work.network, cut, variant.nodes)
    runner.load()
    feeds = _stored(work.folder, () if cut is None else cut.tensors)
    signal = noise = 0.0

    def predict(number: int) -> UInt8:
        nonlocal signal, noise
        alive = {name: array[number] for name, array in feeds.items()}
        logits, labels, _ = runner.run(work.examination.shots[number].image_rgb, alive)
        expected = work.reference.logits[number]
        signal += float(np.square(expected, dtype=np.float64).sum())
        noise += float(np.square(logits - expected, dtype=np.float64).sum())
        return labels

    examined = work.examination.examine(predict)
    return _compared(variant.name, signal, noise, examined, work.reference.examined)


def _compared(name: str, signal: float, noise: float, examined: Examined, reference: Examined) -> GroupCost:
    ours, theirs = examined.figures(reference), reference.figures()
    drop = {key: theirs[key] - ours[key] for key in theirs}
    return GroupCost(
        name=name,
        snr_db=float(10 * np.log10(signal / noise)) if signal > 0 and noise > 0 else None,
        miou=drop.get("miou"),
        tc=drop.get("tc"),
        flicker=-drop["flicker"] if "flicker" in drop else None,
        agreement=ours["agreement"],
    )


def _stored(folder: Path, tensors: Sequence[str]) -> Mapping[str, Any]:
    named = {path.read_text(encoding="utf-8"): path.with_suffix(".npy") for path in folder.glob("*.name")}
    return {name: np.load(named[name], mmap_mode="r") for name in tensors}


def _session(model: onnx.ModelProto) -> Any:
    ort: Any = require("onnxruntime", "onnxruntime", "sensitivity")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a dozen kinds that share no useful base
        text = " ".join(str(error).split())[:300]
        raise CalibrationError(f"ONNX Runtime refused a graph with one group quantized: {text}.") from error
