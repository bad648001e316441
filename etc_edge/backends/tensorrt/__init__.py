"""TensorRT on NVIDIA GPUs and on the accelerators of Jetson boards."""
