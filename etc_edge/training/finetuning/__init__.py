"""Fine-tuning of a quantized graph: what of it is trained, and how it is watched."""
