"""A bundle's graph in torch, trainable; the only room beside models, losses and training that imports torch."""
