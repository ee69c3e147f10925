"""Utilization: what the cycles of whole networks are spent on, on arrays that hold weights."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...cost.topologies.assumed import Assumptions
from ...cost.topologies.published import published_network
from ...rtl.arch.arch import Arch
from ...rtl.program.fit import narrowest_lanes
from ...rtl.timing.losses import LOST, Losses, layer_losses, total_losses
from ...spec.host.markdown import Column, table
from ...spec.program import SizedNetwork

NETWORKS = ("resnet20-cifar", "resnet18", "resnet50", "mobilenet-v2")
SIZES = ((16, 16, 4), (16, 16, 8), (32, 32, 4), (32, 32, 8))
"""(rows, cols, out_lanes)."""
HOLD, FILL = 16, 8
SEE = (
    "[The accelerator that holds weights](../accelerator.md), "
    "[dataflow](dataflow.md), [timing](../timing.md)."
)
HEAD = """# Utilization of the array that holds weights

Written by `{command}`; do not edit.

Cycles of one image, stored input to last result, by the cycle model, which equals the RTL exactly
(`rtl/timing/held_cycles.py`): hold {hold}, fill {fill}, everything on chip. *Ideal* is products /
(rows x cols). The rest is lost to lanes without a weight (*partial*: channels that are no multiple
of rows or cols), waits for a weight word (*words*) or for free sums (*drain*), what passes need
before their first beat and after their last (*latency*), passes without products (*moved*: pools,
copies, read activations of their own) and the image's arrival (*input*). A read activation that is
computed where its codes are made takes no cycle.
"""


@dataclass(frozen=True, kw_only=True)
class Used:
    """A network on one array, by layer."""

    arch: Arch
    layers: Sequence[Losses]

    @property
    def total(self) -> Losses:
        return total_losses(list(self.layers))

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "arch": self.arch.to_dict(),
            "total": self.total.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers],
        }


def networks(assumed: Assumptions) -> dict[str, SizedNetwork]:
    """The published networks of the page."""
    return {name: published_network(name, assumed) for name in NETWORKS}


def used(network: SizedNetwork) -> list[Used]:
    """A network on arrays of every size of `SIZES`."""
    found = []
    for rows, cols, out_lanes in SIZES:
        arch = narrowest_lanes(
            network, rows=rows, cols=cols, hold=HOLD, fill=FILL, out_lanes=out_lanes
        )
        found.append(Used(arch=arch, layers=layer_losses(arch, network)))
    return found


def page(results: Mapping[str, Sequence[Used]], command: str) -> str:
    """Markdown: every network on every array, then the layers of each on the first array."""
    lines = [HEAD.format(command=command, hold=HOLD, fill=FILL), "## Networks", ""]
    named = [(f"{name}, {_size(use.arch)}", use.total) for name, uses in results.items()
             for use in uses]  # fmt: skip
    lines += _table("network and array", named)
    for name, uses in results.items():
        first = uses[0]
        rows = [(layer.name, layer) for layer in first.layers if layer.cycles]
        title = f"## {name}, {_size(first.arch)}"
        lines += ["", title, "", *_table("layer", [*rows, ("total", first.total)])]
    return "\n".join([*lines, ""])


def _size(arch: Arch) -> str:
    return f"{arch.rows} x {arch.cols}, {arch.out_lanes} output lanes"


def _table(what: str, rows: Iterable[tuple[str, Losses]]) -> list[str]:
    """Cycles, useful part, and what is lost as per cent of all cycles."""
    names = ("cycles", "ideal", "useful %", *(f"{cause} %" for cause in LOST))
    columns: list[Column] = [what, *((name, "---:") for name in names)]
    return table(
        columns,
        (
            (
                name, f"{losses.cycles:,}", f"{losses.ideal:,.0f}",
                f"{100 * losses.utilization:.1f}",
                *(f"{100 * getattr(losses, cause) / losses.cycles:.1f}" for cause in LOST),
            )
            for name, losses in rows
        ),
    )  # fmt: skip
