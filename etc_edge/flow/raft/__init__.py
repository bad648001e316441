"""RAFT (Teed & Deng, ECCV 2020): optical flow by a network, with weights that the user brings."""
