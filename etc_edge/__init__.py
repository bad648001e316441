"""Quantize, compile and run video-segmentation networks on edge devices."""

import os

__version__ = "0.1.0"

# Official builds of ONNX Runtime report every session to its vendor from a thread of their own, and keep a data base
# in the user's cache for it. A device's frames and models are nobody's business: off, unless the user has set it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
