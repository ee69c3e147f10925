"""The page of the study of steps per image: `docs/results/steps-per-image.md`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...spec.host.markdown import Column, table
from .steps import CHOICES, OCTAVE, Answers, Oracles
from .steps_cost import FILL, HOLD, OUT_LANES, SIZE, Cost

SEE = (
    "[Methods](../methods.md), [papers](../papers.md), "
    "[ablation](../ablation.md), [dataflow](dataflow.md)."
)
HEAD = """# Steps per image

Written by `{command}`; do not edit.

ASQ scales the step of an activation by a factor per image ([methods](../methods.md)). An integer
program could have it as a power of two chosen by a table of thresholds. What can it gain? Each
network below is measured as a graph on {images} images that training holds out (recipes with
`data.all_images` trained on them), with the exponent of every activation's step chosen per image
from {choices} by an oracle; nothing is trained for it. The test images are not read.

* *by error*: the least squared error of the map, which a table of thresholds can come close to.
* *by loss*: the least cross entropy, label known, one activation after the other. Nothing that does
  not know the label can do this; choosing by the label gains even where the choice means nothing.
* *control*: the same with offsets of a quarter of a code in place of steps: what choosing by the
  label alone gains.

Differences are means over the images with their standard errors.
"""
ANSWERS: tuple[Column, ...] = (
    "network", "steps", ("loss", "---:"), ("change of loss", "---:"), ("top-1 %", "---:"),
    ("same top-1 as before %", "---:"), ("chosen other than 0 %", "---:"),
)  # fmt: skip
ERRORS: tuple[Column, ...] = (
    "network", ("activations", "---:"), ("best exponent of the layer", "---:"),
    ("best exponent of the image", "---:"), ("deviation of a map's size, octaves", "---:"),
    ("maps beyond half an octave %", "---:"),
)  # fmt: skip
COSTS: tuple[Column, ...] = (
    "network", ("cycles", "---:"), ("more", "---:"), ("bits moved per product", "---:"),
    ("activation memory's", "---:"), ("more", "---:"), ("maps alive, bits", "---:"),
    ("more", "---:"),
)  # fmt: skip
ERROR_NOTE = """
Squared error of the codes against the map, as a share of that with the layer's own step, mean over
the activations. The layer's own exponent costs nothing (it is a threshold table): what a step *per
image* adds is the difference of the two columns. The size of a map is its mean; another power of
two is nearer only {octave} octave away from the usual size.
"""
COST_NOTE = """
Array of {size} x {size} lanes, hold {hold}, fill {fill}, {out_lanes} output lanes, by the cycle
model and the counts of [dataflow](dataflow.md), which are those of the hardware. The step of an
image is known when its whole map is: sums wait in a memory of their own (*maps alive*: the largest
such map) and the output stage walks over every map again; read activations are no longer made where
the stream's codes are. A choice from the *source* of the layer, which is complete before, would
avoid this, with less to know than the oracle.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """A network's oracles and what a step per image costs."""

    oracles: Oracles
    cost: Cost


def difference(one: Answers, other: Answers) -> tuple[float, float]:
    """Mean of the differences of the losses, one less other, and its standard error."""
    gaps = one.loss - other.loss
    return float(gaps.mean()), float(gaps.std() / len(gaps) ** 0.5)


def verdict(oracles: Oracles) -> str:
    """What the figures of a network say, in a sentence."""
    gain, error = difference(oracles.error, oracles.plain)
    beyond, spread = difference(oracles.loss, oracles.control)
    word = "a gain" if gain < -2 * error else "no gain beyond two standard errors"
    return (
        f"by error the loss changes by {gain:+.4f} +- {error:.4f}, {word}; the oracle that knows "
        f"the label ends {beyond:+.4f} +- {spread:.4f} from the control"
    )


def page(rows: Mapping[str, Row], labels: Sequence[int], command: str) -> str:
    """Markdown of all networks; ``labels`` of the images."""
    choices = ", ".join(str(choice) for choice in sorted(CHOICES))
    lines = [HEAD.format(command=command, images=len(labels), choices=choices)]
    lines += [*(f"* {name}: {verdict(row.oracles)}." for name, row in rows.items()), ""]
    lines += table(ANSWERS, (cells for name, row in rows.items() for cells in
                             _answers(name, row.oracles, labels)))  # fmt: skip
    lines += ["", "## Errors of quantization", ""]
    lines += table(ERRORS, (_errors(name, row.oracles) for name, row in rows.items()))
    lines += [ERROR_NOTE.format(octave=OCTAVE), "## Cost", ""]
    lines += table(COSTS, (_costs(name, row.cost) for name, row in rows.items()))
    note = COST_NOTE.format(size=SIZE, hold=HOLD, fill=FILL, out_lanes=OUT_LANES)
    return "\n".join([*lines, note])


def named(oracles: Oracles) -> dict[str, Answers]:
    """The answers by the way their steps were chosen."""
    return {
        "the layer's": oracles.plain, "by error": oracles.error, "by loss": oracles.loss,
        "control": oracles.control,
    }  # fmt: skip


def record(row: Row, labels: Sequence[int]) -> dict[str, Any]:
    """JSON form of a network's figures."""
    oracles, cost = row.oracles, row.cost
    return {
        "activations": oracles.activations,
        "spread": oracles.spread._asdict(),
        "errors": oracles.errors._asdict(),
        "answers": {
            name: {
                "loss": float(found.loss.mean()),
                "change": difference(found, oracles.plain),
                "top1": _top1(found, labels),
                "agreement": _same(found, oracles.plain),
                "chosen": found.chosen,
            }
            for name, found in named(oracles).items()
        },
        "cost": {name: getattr(cost, name) for name in Cost.__dataclass_fields__},
    }


def _answers(name: str, oracles: Oracles, labels: Sequence[int]) -> list[list[str]]:
    rows = []
    for way, found in named(oracles).items():
        gap, error = difference(found, oracles.plain)
        rows.append([
            name, way, f"{float(found.loss.mean()):.4f}",
            "" if found is oracles.plain else f"{gap:+.4f} +- {error:.4f}",
            f"{_top1(found, labels):.1f}", f"{_same(found, oracles.plain):.1f}",
            f"{100 * found.chosen:.1f}",
        ])  # fmt: skip
    return rows


def _top1(found: Answers, labels: Sequence[int]) -> float:
    return 100 * float((found.top == torch.tensor(labels)).double().mean())


def _same(found: Answers, plain: Answers) -> float:
    return 100 * float((found.top == plain.top).double().mean())


def _errors(name: str, oracles: Oracles) -> list[str]:
    errors, spread = oracles.errors, oracles.spread
    return [
        name, str(oracles.activations), f"{errors.layer:.3f}", f"{errors.image:.3f}",
        f"{spread.deviation:.3f}", f"{100 * spread.beyond:.1f}",
    ]  # fmt: skip


def _costs(name: str, cost: Cost) -> list[str]:
    return [
        name, f"{cost.cycles:,}", f"{cost.more_cycles:,} ({cost.more_cycles / cost.cycles:.0%})",
        f"{cost.bits:.2f}", f"{cost.map_bits:.3f}",
        f"{cost.more_bits:.3f} ({cost.more_bits / cost.map_bits:.0%} of the memory's)",
        f"{cost.storage:,}", f"{cost.more_storage:,} ({cost.more_storage / cost.storage:.0%})",
    ]  # fmt: skip
