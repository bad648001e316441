"""Matrix products."""

from __future__ import annotations

import torch
from torch import Tensor

from etc_edge.torch_graph.operation import Operation, Run, plain

matrix_product = plain(torch.matmul)


def general_matrix_product(operation: Operation) -> Run:
    """`Gemm`: α · A · B + β · C, A and B turned where it says so."""
    turn_first, turn_second = bool(operation.option("transA", 0)), bool(operation.option("transB", 0))
    alpha, beta = float(operation.option("alpha", 1.0)), float(operation.option("beta", 1.0))

    def run(first: Tensor, second: Tensor, offset: Tensor | None = None) -> Tensor:
        product = (first.T if turn_first else first) @ (second.T if turn_second else second)
        product = product if alpha == 1.0 else product * alpha
        if offset is None:
            return product
        return product + (offset if beta == 1.0 else offset * beta)

    return run
