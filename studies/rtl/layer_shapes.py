"""Every layer shape of ResNet-18 through the RTL: all channels, a cropped map, exact codes.

The crop keeps every boundary case of the walk (padding on all sides, stride, several pixels) and
every channel block; only the number of pixels is smaller. Cycles of the full map are the model's.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...cosim.compare.network_cosim import compare_layers
from ...cosim.network.network import Case, run_network
from ...cosim.simulators.toolchain import find_simulator
from ...rtl.arch.arch import Arch
from ...rtl.program.fit import covering
from ...rtl.timing.network_cycles import network_cycles
from ...sim.networks import build, random_program
from ...spec import golden
from ...spec.formats import IntArray
from ...spec.networks import U8, Sketch
from ...spec.program import INPUT, Program
from ...spec.windows import pair

NETWORK = "resnet18"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A convolution of ResNet-18: `layer` is its first occurrence; crop: of its input map."""

    layer: str
    ins: int
    outs: int
    kernel: int
    stride: int
    crop: int

    @property
    def text(self) -> str:
        return f"{self.kernel}x{self.kernel} s{self.stride} {self.ins}->{self.outs}"


SHAPES = (
    Shape(layer="conv1", ins=3, outs=64, kernel=7, stride=2, crop=11),
    Shape(layer="layer1.0.conv1", ins=64, outs=64, kernel=3, stride=1, crop=4),
    Shape(layer="layer2.0.conv1", ins=64, outs=128, kernel=3, stride=2, crop=5),
    Shape(layer="layer2.0.downsample", ins=64, outs=128, kernel=1, stride=2, crop=5),
    Shape(layer="layer2.1.conv1", ins=128, outs=128, kernel=3, stride=1, crop=3),
    Shape(layer="layer3.0.conv1", ins=128, outs=256, kernel=3, stride=2, crop=4),
    Shape(layer="layer3.0.downsample", ins=128, outs=256, kernel=1, stride=2, crop=4),
    Shape(layer="layer3.1.conv1", ins=256, outs=256, kernel=3, stride=1, crop=2),
    Shape(layer="layer4.0.conv1", ins=256, outs=512, kernel=3, stride=2, crop=3),
    Shape(layer="layer4.0.downsample", ins=256, outs=512, kernel=1, stride=2, crop=3),
    Shape(layer="layer4.1.conv1", ins=512, outs=512, kernel=3, stride=1, crop=2),
)
"""Distinct ones; the second convolutions of the blocks have the shape of a `layerN.1.conv1`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShapeRow:
    """One layer: cropped in RTL against golden and the model; the model on the full map."""

    layer: str
    shape: str
    cropped_map: str
    compared: int
    mismatches: int
    cycles_rtl: int
    cycles_model: int
    full_map: str
    full_cycles_model: int

    @property
    def passed(self) -> bool:
        return self.mismatches == 0 and self.cycles_rtl == self.cycles_model


@dataclass(frozen=True, kw_only=True)
class ShapeReport:
    """All shapes on one array."""

    rows: list[ShapeRow]
    arch: Arch
    simulator: str
    build_seconds: float
    simulation_seconds: float

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": [asdict(row) for row in self.rows],
            "arch": self.arch.to_dict(),
            "simulator": self.simulator,
            "build_seconds": round(self.build_seconds, 3),
            "simulation_seconds": round(self.simulation_seconds, 3),
        }


def cropped_programs() -> list[tuple[Program, str, str]]:
    """(program, its layer, that layer in ResNet-18) for every shape, random weights."""
    cropped = []
    for number, shape in enumerate(SHAPES):
        net = Sketch(ins=shape.ins, image_size=shape.crop)
        if number:  # all but the first read 4-bit codes of a stream
            net.read("act")
        stream = None if number else U8
        net.conv("conv", shape.outs, shape.kernel, stride=shape.stride, stream=stream)
        cropped.append((_program(net, shape.text, number), "conv", shape.layer))
    stem = Sketch(ins=64, image_size=5)
    stem.max_pool("maxpool")
    cropped.append((_program(stem, "max pool"), "maxpool", "maxpool"))
    head = Sketch(ins=512, image_size=7)
    head.classify(1000)
    return cropped + [(_program(head, "classifier"), name, name) for name in ("pool", "fc")]


def _program(net: Sketch, name: str, seed: int = 0) -> Program:
    shape = (net.ins, *pair(net.image_size))
    return random_program(name, shape, net.nodes, seed=seed)


def adversarial_images(program: Program) -> IntArray:
    """Random codes, then all largest (every sum at an extreme), then all real zero."""
    shape = program.input_shape
    codes = program.tensor_format(INPUT)
    random = np.random.default_rng(1).integers(codes.min, codes.max + 1, shape)
    return np.stack([random, np.full(shape, codes.max), np.zeros(shape, int)]).astype(codes.dtype)


def run_shapes(
    *,
    rows: int,
    cols: int,
    micro: str,
    build_dir: Path,
    tick: Callable[[str], None] = lambda text: None,
) -> ShapeReport:
    """All shapes on one build of a `rows` x `cols` array with memories that hold each of them."""
    simulator = find_simulator("verilator")
    cropped = cropped_programs()
    programs = list({program.digest: program for program, _, _ in cropped}.values())
    arch = covering(programs, rows=rows, cols=cols, micro=micro)
    cases = [Case(program=p, images=adversarial_images(p)) for p in programs]
    tick(f"build {micro} {rows}x{cols}")
    run = run_network(cases, arch, simulator, build_dir)
    tick("compare with golden")
    full = build(NETWORK)
    full_cycles = {entry.name: entry.cycles for entry in network_cycles(arch, full)}
    compared_rows = []
    for program, name, layer in cropped:
        number = programs.index(next(p for p in programs if p.digest == program.digest))
        tensors = golden.run(program, cases[number].images, "all").tensors
        model = next(entry for entry in network_cycles(arch, program) if entry.name == name)
        (compared,) = compare_layers([model], tensors, run.cases[number], "verilator")
        compared_rows.append(
            ShapeRow(
                layer=layer,
                shape=str(program.provenance["network"]),
                cropped_map=_map(program, name),
                compared=compared.compared,
                mismatches=compared.mismatches,
                cycles_rtl=compared.cycles_rtl,
                cycles_model=compared.cycles_model,
                full_map=_map(full, layer),
                full_cycles_model=full_cycles[layer],
            )
        )
    return ShapeReport(
        rows=compared_rows,
        arch=arch,
        simulator=f"{simulator.name} {simulator.version}",
        build_seconds=run.build_seconds,
        simulation_seconds=run.simulation_seconds,
    )


def _map(program: Program, name: str) -> str:
    _, height, width = program.tensor_shape(name)
    return f"{height}x{width}"
