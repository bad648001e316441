"""Passes over a quantized graph: each takes a model and changes it in place, and keeps what the graph computes."""
