"""Reads a real video many times, each time with other bytes of it destroyed, and counts how that ends.

python -m tests.corrupted_videos 10000

Every file has to be read, or refused with an error of ours that says how many frames there were, within half a minute.
Exit code 0 says that all were; a crash of a library below us ends the process with another.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType

import numpy as np

from etc_edge.core.errors import SourceError
from etc_edge.frames.source import open_source
from tests.moving_square import write_video

FRAMES = 24
SUFFIXES = (".mp4", ".mkv", ".ts")
LIMIT_S = 30
DEFAULT_COUNT = 10_000


def corrupted(whole: bytes, seed: int) -> bytes:
    """Some bytes changed, a stretch of noise, a stretch lost, or a stretch doubled."""
    random = np.random.default_rng(seed)
    data = bytearray(whole)
    start = int(random.integers(0, len(data)))
    length = int(random.integers(1, 400))
    kind = seed % 4
    if kind == 0:
        for place in random.integers(0, len(data), int(random.integers(1, 60))):
            data[place] = int(random.integers(0, 256))
    elif kind == 1:
        data[start : start + length] = random.bytes(min(length, len(data) - start))
    elif kind == 2:
        del data[start : start + length]
    else:
        data[start:start] = data[start : start + length]
    return bytes(data)


def outcome(path: Path) -> tuple[str, int]:
    """How reading a file ends, and how many frames it gave."""
    frames = 0
    try:
        with open_source(path) as source:
            for frame in source:
                assert frame.index == frames
                frames += 1
    except SourceError:
        return ("damaged" if frames else "refused"), frames
    return "read", frames


def main(count: int) -> int:
    """Read so many files and print the counts as JSON."""
    counts: Counter[str] = Counter()
    frames, slowest_s = 0, 0.0
    signal.signal(signal.SIGALRM, _too_long)
    with tempfile.TemporaryDirectory() as folder:
        wholes = {suffix: write_video(Path(folder) / f"whole{suffix}", FRAMES).read_bytes() for suffix in SUFFIXES}
        for seed in range(count):
            suffix = SUFFIXES[seed % len(SUFFIXES)]
            path = Path(folder) / f"corrupted{suffix}"
            path.write_bytes(corrupted(wholes[suffix], seed))
            begun = time.monotonic()
            signal.alarm(LIMIT_S)
            try:
                ended, given = outcome(path)
            except Exception as error:
                raise AssertionError(f"file {seed} ended in another error") from error
            signal.alarm(0)
            counts[ended] += 1
            frames += given
            slowest_s = max(slowest_s, time.monotonic() - begun)
    sys.stdout.write(json.dumps({"files": count, **counts, "frames": frames, "slowest_s": round(slowest_s, 2)}) + "\n")
    return 0


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"A file was not read within {LIMIT_S} s.")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_COUNT))
