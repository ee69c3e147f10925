"""One training run in several processes, started by ``torchrun``.

Every rank holds the whole network, takes its part of the same batch and averages gradients with
the others (torch's DistributedDataParallel). What follows from equal gradients (optimizer, codebook
EMA, schedule) every rank computes for itself; the first one alone measures and writes.
"""

import gc
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # before any group is: see `joined`
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..spec.errors import InputError

PATIENCE = timedelta(minutes=30)
"""How long a rank waits for the others; the first one measures accuracy meanwhile."""
BROKEN = ("gloo", "NCCL", "Connection closed", "Connection reset", "Broken pipe", "Timed out")


class RankLostError(InputError):
    """Another process of the run is gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """Which of how many processes this one is."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def part(self, batch: Tensor) -> Tensor:
        """This rank's share (contiguous, sizes differ by one at most) of a whole batch."""
        return batch.tensor_split(self.count)[self.rank] if self.count > 1 else batch

    def total(self, value: float) -> float:
        """Sum of ``value`` over all ranks, the same number on each."""
        if self.count == 1:
            return value
        # on the device of the process group; float64 keeps every bit of a mean loss
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        number = torch.tensor(value, dtype=torch.float64, device=device)
        dist.all_reduce(number)
        return number.item()

    def check_same(self, digest: str, what: str) -> None:
        """Refuse to go on when ranks that compute the same have different ``digest``s."""
        if self.count == 1:
            return
        digests: list[Any] = [None] * self.count
        dist.all_gather_object(digests, digest)
        if len(set(digests)) > 1:
            raise InputError(f"{what} must be the same on all {self.count} ranks, not {digests}")

    def decide(self, question: Callable[[], Any]) -> Any:
        """The first rank's answer, or its refusal, on every rank."""
        if self.count == 1:
            return question()
        answer: list[Any] = [None, None]
        if self.first:
            try:
                answer[0] = question()
            except InputError as error:
                answer[1] = str(error)
        dist.broadcast_object_list(answer)
        if answer[1] is not None:
            raise InputError(answer[1])
        return answer[0]

    def alone(self, forward: Any, wanted: bool) -> AbstractContextManager[None]:
        """Keep gradients of this rank to itself for now, if ``wanted``."""
        return forward.no_sync() if wanted and self.count > 1 else nullcontext()

    def spread(self, model: nn.Module, *, unused: bool) -> nn.Module:
        """The network with gradients averaged over the ranks; ``unused``: some may have none."""
        # channels-last gradients; copying these few numbers costs nothing
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
        return DistributedDataParallel(model, find_unused_parameters=unused)


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the processes that torchrun started, if it did, and leave them at the end.

    The group ends here with its threads. DistributedDataParallel imports
    ``torch.distributed.nn.functional``, whose default arguments keep the group that is there at
    that moment for good; a worker thread of gloo then dropped the last tensor while the interpreter
    ended, and the rank aborted ("terminate called without an active exception").
    """
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        yield Ranks()
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    ranks = Ranks(rank=dist.get_rank(), count=dist.get_world_size())
    signal.signal(signal.SIGTERM, _terminated)
    try:
        yield ranks
        gc.collect()  # what a network in a cycle of references holds of the group
        dist.destroy_process_group()  # not after an error: it would wait for the others
    except RuntimeError as error:
        lost = isinstance(error, dist.DistError) or any(word in str(error) for word in BROKEN)
        if not lost:
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # reported already
        raise RankLostError(
            f"Rank {ranks.rank} of {ranks.count} lost another rank: {error!s:.200}"
        ) from error


def _terminated(number: int, frame: object) -> None:
    """Handler of the signal that torchrun sends to the other ranks when one has died: once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise RankLostError("Rank was ended by SIGTERM, which torchrun sends when another one dies")


class _Sum(torch.autograd.Function):
    """Sum over the ranks, whose gradient is the sum of the ranks' gradients."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        total = grad.clone()
        dist.all_reduce(total)
        return total


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that has running statistics, and a momentum for them."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float


def shared_batch_norm(
    bn: BatchNorm, acc: Tensor, scale: float | Tensor, offset: float | Tensor
) -> Tensor:
    """``bn(acc * scale + offset)`` in training, with the statistics of all ranks' maps.

    acc (N, C, H, W); scale and offset as in `layers.scaled_batch_norm`. torch's SyncBatchNorm
    refuses CPUs and cannot move the offset. Variance by a second pass: nothing cancels.
    """
    x = acc * (scale.view(1, -1, 1, 1) if isinstance(scale, Tensor) else scale)
    count = torch.tensor(x.numel() / x.shape[1], dtype=torch.float64, device=x.device)
    dist.all_reduce(count)
    total = count.item()
    mean = _Sum.apply(x.sum((0, 2, 3))) / total
    centred = x - mean.view(1, -1, 1, 1)
    var = _Sum.apply(centred.square().sum((0, 2, 3))) / total
    with torch.no_grad():
        bn.running_mean.lerp_(mean + offset, bn.momentum)
        bn.running_var.lerp_(var * (total / max(total - 1, 1)), bn.momentum)
        bn.num_batches_tracked += 1
    gain = bn.weight * torch.rsqrt(var + bn.eps)
    return centred * gain.view(1, -1, 1, 1) + bn.bias.view(1, -1, 1, 1)
