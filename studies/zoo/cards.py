"""Cards of trained programs: one form, from the program files and a table of their runs.

A program says what it computes, where it came from and what was measured at its export. What no
file of the project knows - processor, minutes, the network a run began with - is in a table beside
the programs (`runs.toml`), a section per program.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host import markdown
from ...spec.host.reading import exact_fields, read_toml
from ...spec.host.text import shown
from ...spec.program import Program
from ...spec.program_file import load

RUNS = "runs.toml"
FOLDER = "cards"
READ_ON = {"methods": "docs/methods.md", "papers and choices": "docs/papers.md"}
"""Pages of the project that say what a card's words mean."""
BEGIN, END = "<!-- cards: begin -->", "<!-- cards: end -->"
COLUMNS: tuple[markdown.Column, ...] = (
    "program",
    "weights",
    ("bits", "---:"),
    ("activation bits", "---:"),
    ("float", "---:"),
    ("graph", "---:"),
    ("integer", "---:"),
    "epochs, hardware",
    "digest",
)
RULES = {
    "adq": "ADQ codebooks",
    "lsq": "LSQ, uniform",
    "post": "POST, powers of sqrt 2",
    "pot": "powers of two",
    "apot": "APoT",
    "n2uq": "N2UQ's rule, uniform",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """What is known of the run that made a program, beside the program."""

    seed: int
    epochs: int
    rate: float
    """Peak learning rate."""
    decay: float
    """Weight decay."""
    images: int
    """Training images of an epoch."""
    start: str
    """Network it began with."""
    teacher: str
    """"none" where it had none."""
    float_top1: float
    """Of the float network at the beginning of all runs before it, percent of the test images."""
    hardware: str
    minutes: int = 0
    """0: not recorded."""

    def __post_init__(self) -> None:
        good = all(
            type(n) is int and n >= 0 for n in (self.seed, self.epochs, self.images, self.minutes)
        )
        good &= all(isinstance(n, int | float) for n in (self.rate, self.decay, self.float_top1))
        good &= all(isinstance(t, str) for t in (self.start, self.teacher, self.hardware))
        if not good:
            raise InputError(f"Facts of a run must be counts, numbers and texts, not {self}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A program with its run."""

    name: str
    program: Program
    size: int
    """Bytes of its file."""
    facts: RunFacts

    @property
    def network(self) -> dict[str, Any]:
        """Its configuration as the trainer wrote it."""
        return dict(self.program.provenance["network"])

    @property
    def accuracy(self) -> dict[str, float]:
        """Top-1 in percent of graph and integers, and the number of images."""
        return dict(self.program.provenance["accuracy"])

    @property
    def weights(self) -> str:
        """The rule of the hidden weights, and how many levels a codebook has."""
        method = self.network["method"]
        if method["weights"] != "adq":
            return RULES[method["weights"]]
        # configurations of before there were 2^b levels do not say it
        full = method["codebook"].get("levels", "reserved") == "full"
        return f"{RULES['adq']}, {'2^b' if full else '2^b - 1'} levels"

    @property
    def bits(self) -> str:
        """Average weight bits of the hidden layers."""
        return f"{self.program.average_weight_bits:.2f}"


def read(folder: Path) -> list[Card]:
    """The cards of all programs of a folder, in the order of their names."""
    table = read_toml(folder / RUNS, "Runs")
    paths = sorted(folder.glob("*.safetensors"))
    odd = sorted({path.stem for path in paths} ^ set(table))
    if odd:
        what = "name only programs that are there" if odd[0] in table else "have a section for each"
        raise InputError(f"{folder / RUNS} must {what}, see {shown(odd[0])}")
    return [_card(path, table[path.stem]) for path in paths]


def _card(path: Path, record: object) -> Card:
    fields = exact_fields(
        record,
        RunFacts,
        path.stem,
        kind="a table",
        lacking="must have all facts of a run, not lack {key}",
        unknown="must have only facts of a run, not {key}",
    )
    program = load(path)
    for key in ("network", "accuracy", "recipe", "steps"):
        if key not in program.provenance:
            raise InputError(f"Program {str(path)!r} must say its {key}: export it with --data")
    return Card(name=path.stem, program=program, size=path.stat().st_size, facts=RunFacts(**fields))


def card_text(card: Card, folder: Path) -> str:
    """The page of one program of a folder."""
    lines = [f"# {card.name}", "", "Written by `adqhw bench cards`; do not edit.", ""]
    lines += markdown.table(("", ""), rows(card))
    return "\n".join([*lines, "", see_also(folder), ""])


def see_also(folder: Path) -> str:
    """The last line of a card: the folder's page, and the project's where the folder is in it."""
    links = ["[all programs](../README.md)"]
    for up, parent in enumerate(folder.resolve().parents, start=2):
        if all((parent / page).exists() for page in READ_ON.values()):
            links += [f"[{text}]({'../' * up}{page})" for text, page in READ_ON.items()]
            break
    return f"See also: {', '.join(links)}."


def rows(card: Card) -> list[tuple[str, str]]:
    """The lines of the form, the same for every program."""
    program, network, facts, accuracy = card.program, card.network, card.facts, card.accuracy
    macs = sum(program.macs(layer.name) for layer in program.mac_layers)
    count = sum(layer.weights.size for layer in program.mac_layers)
    images = f"{int(accuracy['images']):,} test images"
    shape = "x".join(map(str, program.input_shape))
    classes = program.tensor_shape(program.layers[-1].name)[0]
    sizes = f"{shape}, {classes} classes; {count:,} weights, {macs:,} MACs"
    single = ", ".join(f"{name} {bits}" for name, bits in network["weight_widths"])
    activations = f"{network['method']['activations'].upper()}, {network['act_width']} bits"
    file = f"contract version {program.version}, {card.size:,} bytes, digest `{program.digest}`"
    return [
        ("network", f"{title(network)}, {sizes}"),
        ("hidden weights", card.weights),
        ("average weight bits of the hidden layers", card.bits),
        ("bits of single layers", single or "all the same"),
        ("hidden activations", activations),
        ("first and last layer, residual stream", "8 bits"),
        ("recipe, steps", f"`{program.provenance['recipe']}`, {program.provenance['steps']:,}"),
        ("seed, epochs", f"{facts.seed}, {facts.epochs} of {facts.images:,} images"),
        ("peak rate, weight decay", f"{facts.rate:g}, {facts.decay:g}"),
        ("starts from", facts.start),
        ("teacher", facts.teacher),
        ("hardware, time", facts.hardware + (f", {facts.minutes} min" if facts.minutes else "")),
        ("top-1 of the float network", f"{facts.float_top1:.2f} %"),
        ("top-1 of the fake-quantized graph", f"{accuracy['fakequant']:.2f} % of {images}"),
        ("top-1 of the integer program", f"{accuracy['integer']:.2f} % of {images}"),
        ("program", file),
    ]


def title(network: dict[str, Any]) -> str:
    """A CIFAR ResNet, another network of ours, or a user's module, in words.

    >>> title({"arch": "mobilenet-v2", "width": 16})
    'mobilenet-v2 of width 16'
    >>> title({"model": "Vgg"})
    'Vgg, a module'
    """
    if "model" in network:
        return f"{network['model']}, a module"
    if "arch" in network:
        return f"{network['arch']} of width {network['width']}"
    return f"ResNet-{network['depth']}, option-{network['shortcut']} shortcuts"


def table_text(cards: list[Card]) -> str:
    """One line per program."""
    cells = [
        (
            f"[{card.name}]({FOLDER}/{card.name}.md)",
            card.weights,
            card.bits,
            card.network["act_width"],
            f"{card.facts.float_top1:.2f}",
            f"{card.accuracy['fakequant']:.2f}",
            f"{card.accuracy['integer']:.2f}",
            f"{card.facts.epochs}, {card.facts.hardware}",
            f"`{card.program.digest[:16]}`",
        )
        for card in cards
    ]
    return "\n".join(markdown.table(COLUMNS, cells)) + "\n"
