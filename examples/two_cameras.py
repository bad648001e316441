"""Two cameras, or any sources, that share one network fairly: python examples/two_cameras.py NAME.etc 0 1"""

from __future__ import annotations

import sys

from etc_edge.runtime import Segmenter

model, *sources = sys.argv[1:]
with Segmenter.load(model) as segmenter, segmenter.streams(sources) as results:
    for number, result in results:
        print(f"{sources[number]}: frame {result.index} at {result.timestamp_s:.2f} s in {result.latency_ms:.1f} ms")
