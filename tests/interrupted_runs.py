"""Interrupts `etc-edge run` at random moments, from its start on, and looks at what it leaves.

python -m tests.interrupted_runs 40

Whenever it comes, the command ends within half a minute, a video that there is plays, and no half-written file stays.
Every second signal is SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import av
import numpy as np

from etc_edge.runtime.segmenter import Segmenter
from tests.tiny_bundle import write_tiny_bundle

LATEST_S = 1.0
"""A moment is drawn from so many seconds after the command greets, or after its first bytes of output, by turns."""

# Said as soon as the command line handles signals: before that Python itself ends, and nothing has been opened.
READY = """
from importlib import import_module
commands = import_module("etc_edge.cli.main")
begin = commands.cli.main
def greet(*arguments, **settings):
    print("ready", flush=True)
    return begin(*arguments, **settings)
commands.cli.main = greet
"""

LIMIT_S = 30
DEFAULT_COUNT = 40


def compiled(folder: Path) -> Path:
    """A small network whose engine is in the cache."""
    bundle = write_tiny_bundle(folder / "colors.etc")
    Segmenter.load(bundle, "onnxruntime", threads=1).close()
    return bundle.path


def interrupted(model: Path, out: Path, seed: int) -> tuple[str, int]:
    """Run into an existing, empty folder and interrupt: how that ended, and how many frames the video has.

    Raises:
        AssertionError: it hung, or left something half-written.
    """
    number = (signal.SIGINT, signal.SIGTERM)[seed % 2]
    arguments = ["run", str(model), "synthetic:street?size=96x160&frames=100000", "--target", "onnxruntime"]
    arguments += ["--threads", "1", "--out", str(out / "out.mp4"), "--json", str(out / "out.jsonl")]
    script = f"{READY}\ncommands.main({arguments!r})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    process.stdout.readline()
    end = time.monotonic() + LIMIT_S
    while seed // 2 % 2 == 0 and not any(path.stat().st_size for path in out.iterdir()):
        assert time.monotonic() < end, f"seed {seed}: nothing was written"
        time.sleep(0.01)
    time.sleep(float(np.random.default_rng(seed).uniform(0, LATEST_S)))
    process.send_signal(number)
    _, said = process.communicate(timeout=LIMIT_S)
    names = sorted(path.name for path in out.iterdir())
    assert process.returncode == 1, f"seed {seed}: code {process.returncode}: {said}"
    assert said.splitlines()[-1] == "interrupted", f"seed {seed}: {said}"
    # A video needs a frame; lines are whole with none, too.
    assert names in ([], ["out.jsonl"], ["out.jsonl", "out.mp4"]), f"seed {seed} left {names}"
    frames, lines = 0, len((out / "out.jsonl").read_bytes().splitlines()) if names else 0
    if "out.mp4" in names:
        with av.open(str(out / "out.mp4")) as container:
            frames = sum(1 for _ in container.decode(video=0))
        assert frames > 0, f"seed {seed} left a video without a frame"
    assert abs(frames - lines) <= 4, f"seed {seed}: {frames} frames and {lines} lines"
    return ("video plays" if frames else "before the first frame was written"), frames


def main(count: int) -> int:
    """Interrupt so many runs and print the counts as JSON."""
    counts: Counter[str] = Counter()
    frames = []
    with tempfile.TemporaryDirectory() as folder:
        model = compiled(Path(folder))
        for seed in range(count):
            out = Path(folder) / str(seed)
            out.mkdir()
            ended, given = interrupted(model, out, seed)
            counts[ended] += 1
            frames.append(given)
    sys.stdout.write(json.dumps({"runs": count, **counts, "most_frames": max(frames)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_COUNT))
