"""Label a camera or a video in a loop of one's own: python examples/opencv_loop.py NAME.etc 0"""

from __future__ import annotations

import sys

import cv2
import numpy as np

from etc_edge.runtime import Segmenter

segmenter = Segmenter.load(sys.argv[1])
capture = cv2.VideoCapture(int(sys.argv[2]) if sys.argv[2].isdigit() else sys.argv[2])
while (taken := capture.read())[0]:
    labels = segmenter(np.asarray(cv2.cvtColor(taken[1], cv2.COLOR_BGR2RGB), np.uint8))
    largest = int(np.bincount(labels.ravel()).argmax())
    print(f"{segmenter.label_set.names[largest]} has {np.mean(labels == largest):.0%} of the picture")
