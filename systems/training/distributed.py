"""Communication between the processes of a distributed run."""

from __future__ import annotations

import gc
from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def take_from_first(tensors: Iterable[Tensor]) -> None:
    """Overwrites tensors, in place, with the values of the first process; each tensor stays on its own device."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for tensor in tensors:
            torch.distributed.broadcast(tensor.data, 0)


def shutdown() -> None:
    """Ends the process group and its threads; to be called when nothing uses the group any more.

    A model wrapped for several processes keeps the group in use, and a thread of the group that still runs while
    Python ends may abort the process.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gc.collect()
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
