"""torch: on a GPU in FP16 with a CUDA graph, elsewhere on the CPU."""
