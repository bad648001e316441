"""Torch-TensorRT on an NVIDIA GPU."""
