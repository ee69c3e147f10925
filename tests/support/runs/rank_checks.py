"""Run by torchrun: what the ranks of `adqhw.adq.ranks` do, one JSON object from the first one."""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from adqhw.adq.ranks import Ranks, joined, shared_batch_norm
from adqhw.spec.errors import InputError


def refusal(action) -> str:
    try:
        action()
    except InputError as error:
        return str(error)
    return ""


def batch_norms(ranks: Ranks) -> dict[str, float]:
    """Largest differences of the shared batch norm from torch's on the whole batch."""
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(7, 3, 4, 4, generator=generator) * 5 + 3
    weight = torch.randn(7, 3, 4, 4, generator=generator)
    scale, offset = torch.tensor([0.5, 2.0, 1.5]), torch.tensor([1.0, -2.0, 0.0])
    ours, theirs = (torch.nn.BatchNorm2d(3) for _ in range(2))
    x = whole.clone().requires_grad_()
    real = x * scale.view(1, -1, 1, 1) + offset.view(1, -1, 1, 1)
    expected = F.batch_norm(
        real, theirs.running_mean, theirs.running_var, theirs.weight, theirs.bias, True, 0.1
    )
    (expected * weight).sum().backward()
    part = ranks.part(whole).clone().requires_grad_()
    actual = shared_batch_norm(ours, part, scale.view(-1, 1, 1, 1), offset)
    (actual * ranks.part(weight)).sum().backward()
    pairs = {
        "output": (actual, ranks.part(expected)),
        "gradient": (part.grad, ranks.part(x.grad)),
        "mean": (ours.running_mean, theirs.running_mean),
        "var": (ours.running_var, theirs.running_var),
    }
    return {name: float((a - b).abs().max()) for name, (a, b) in pairs.items()}


def refuse():
    raise InputError("only the first rank says so")


def spread_step(ranks: Ranks) -> None:
    """A step of a network whose gradients are averaged, which starts what averages them."""
    ranks.spread(torch.nn.Linear(2, 2), unused=False)(torch.ones(1, 2)).sum().backward()


def gloo_threads() -> list[str]:
    """Names of this process's threads that belong to a gloo group; Linux only."""
    names = (path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm"))
    return sorted(name for name in names if "gloo" in name)


def main() -> None:
    with joined("cpu") as ranks:
        record = {
            "count": ranks.count,
            "part": ranks.part(torch.arange(5)).tolist(),
            "total": ranks.total(1.5 + ranks.rank),
            "decided": ranks.decide(lambda: f"by rank {ranks.rank}"),
            "refused": refusal(lambda: ranks.decide(refuse)),
            "same": refusal(lambda: ranks.check_same("a", "Digests")),
            "different": refusal(lambda: ranks.check_same(f"{ranks.rank}", "Digests")),
            "batch_norm": batch_norms(ranks),
        }
        spread_step(ranks)
        record["threads_before"] = gloo_threads()
    record["threads_after"] = gloo_threads()
    Path(sys.argv[1], f"{ranks.rank}.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
