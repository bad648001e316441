"""What the benchmarks share: contenders, figures, goals, and the record that each writes."""
