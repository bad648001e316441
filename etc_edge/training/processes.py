"""The processes of a run: one alone, or several that `torchrun` started and that train as one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from etc_edge.core.errors import TrainingError
from etc_edge.training.batches import Share
from etc_edge.training.precision import training_device
from etc_edge.training.synchronised_norm import synchronise_norms

# Parts of what gloo and NCCL say when the other side of an exchange is gone.
LOST = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out")


@dataclass(frozen=True)
class Processes:
    """This process among all of the run.

    Args:
        rank: its number, from 0.
        count: how many there are.
        device: that it trains on.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the process that reports, validates and writes."""
        return self.rank == 0

    @property
    def share(self) -> Share:
        """Its part of every batch."""
        return Share(self.rank, self.count)

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network as the step calls it: with several processes, batch norm and gradients are shared."""
        if self.count == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        # Shared norms keep buffers equal; torch is renaming the argument that says so, and 2.4 has the old name only.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(network, device_ids=devices, broadcast_buffers=False)

    def shared_norms(self, network: nn.Module) -> nn.Module:
        """The network with batch norm over the batches of all processes."""
        return network if self.count == 1 else synchronise_norms(network, self.device)

    def without_exchange(self, wrapped: nn.Module) -> AbstractContextManager[object]:
        """The context of a backward pass whose gradients are only added up here."""
        return nullcontext() if self.count == 1 else cast(DistributedDataParallel, wrapped).no_sync()

    def mean(self, value: Tensor) -> Tensor:
        """The mean over processes, without gradient; `value` is the same kind of tensor in each."""
        if self.count == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.count

    def meet(self) -> None:
        """Wait until all processes have come here.

        Raises:
            TrainingError: one of them is gone.
        """
        if self.count == 1:
            return
        try:
            dist.barrier()
        except RuntimeError as error:
            if not is_lost_process(error):
                raise
            raise TrainingError("Another process ended before training began.", "See what it says.") from error

    def mean_gradients(self, module: nn.Module) -> None:
        """Average the gradients of a module that is not wrapped."""
        if self.count > 1:
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter.grad.copy_(self.mean(parameter.grad))


@contextmanager
def training_processes() -> Iterator[Processes]:
    """This process's place in the run, as `torchrun` tells it by RANK, WORLD_SIZE and LOCAL_RANK; alone without.

    Raises:
        TrainingError: the processes do not find each other.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes(0, 1, training_device())
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", local) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    try:
        dist.init_process_group("nccl" if on_gpu else "gloo")
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"Found no way to the other {count - 1} processes of the run: {' '.join(str(error).split())[:200]}.",
            "Start it with: torchrun --nproc-per-node N -m etc_edge.cli.main train RECIPE …",
        ) from error
    try:
        yield Processes(rank, count, device)
    finally:
        dist.destroy_process_group()


def is_lost_process(error: RuntimeError) -> bool:
    """Whether an error is how the exchange between processes says that one of them is gone."""
    text = str(error)
    return any(
        sign in text
        for sign in (
            "Connection closed by peer",
            "Connection reset by peer",
            "Broken pipe",
            "gloo",
            "NCCL",
            "Timed out",
        )
    )
