"""A bus host for `adqhw_top` in Icarus: scripts of bus commands, and the responses."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from programs import random_images
from simulators import usable

from adqhw.cosim.network.trace import result_positions
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.bus.registers import load_words, mask, offset
from adqhw.rtl.networks.plans import Plan
from adqhw.rtl.planning.fold import stored_image
from adqhw.rtl.program.fit import check_storage, narrowest
from adqhw.rtl.program.image import memory_image
from adqhw.rtl.verilog import axi_texts
from adqhw.spec import golden
from adqhw.spec.program import Program

BUS = Path(__file__).with_name("axi_bus.v")
TOGETHER, ADDRESS_FIRST, DATA_FIRST = 0, 1, 2
OKAY, SLVERR = "00", "10"


@dataclass(kw_only=True)
class Script:
    """Commands for `axi_bus.v`; each method appends some."""

    lines: list[str] = field(default_factory=list)

    def add(self, command: str, *numbers: int) -> "Script":
        self.lines.append(command + "".join(f" {n:x}" for n in (*numbers, 0, 0, 0, 0)[:4]))
        return self

    def write(self, name: str, value: int, *, strobes=15, order=TOGETHER, delay=0) -> "Script":
        return self.add("w", offset(name), value, strobes, order | delay << 4)

    def read(self, *names: str, delay: int = 0) -> "Script":
        for name in names:
            self.add("r", offset(name), 0, 0, delay << 4)
        return self

    def control(self, *bits: str) -> "Script":
        return self.write("CONTROL", sum(mask("CONTROL", bit) for bit in bits))

    def until(self, name: str, bit: str, value: bool) -> "Script":
        bits = mask(name, bit)
        return self.add("i", offset(name), bits, bits * value)

    def load(self, rows, arch: Arch) -> "Script":
        """Rows of a memory image; consecutive rows of one memory need no address."""
        at, words = None, load_words(arch)
        for target, row, data in rows:
            if at != (target, row):
                self.write("TARGET", int(target)).write("ROW", row)
            for word in range(words[int(target)]):
                self.write("DATA", data >> 32 * word & 0xFFFFFFFF)
            at = target, row + 1
        return self


@dataclass(frozen=True, kw_only=True)
class Log:
    """Responses: writes (address, response), reads (address, data, response), results."""

    writes: list[tuple[int, str]]
    reads: list[tuple[int, int, str]]
    results: list[tuple[int, int, int]]
    """(code, last, cut)."""
    broken: list[str]
    """Violated bus rules, and commands that did not end."""
    taken: int
    """Number of codes accepted on s_axis."""

    @property
    def responses(self) -> list[str]:
        return [response for _, response in self.writes]

    def frames(self) -> list[list[int]]:
        """Results up to each `last`; a cut frame is None in its last place."""
        frames, now = [], []
        for code, last, cut in self.results:
            now.append(None if cut else code)
            if last:
                frames, now = [*frames, now], []
        return [*frames, now] if now else frames


@dataclass(frozen=True, kw_only=True, eq=False)
class Chip:
    """A compiled `adqhw_top` for a program, its images and their golden results."""

    arch: Arch
    program: Program
    rows: list
    images: list[list[int]]
    expected: list[list[int]]
    folder: Path

    @property
    def size(self) -> int:
        return len(self.images[0])

    def loaded(self) -> Script:
        """Reset, and the whole program."""
        return Script().add("x", 4).load(self.rows, self.arch)

    def send(self, script: Script, image: int, *, first=0, count=None, last=True) -> Script:
        """Codes of an image (all of them), `last` with the last one that is sent."""
        count = self.size - first if count is None else count
        return script.add("s", image * self.size + first, count, int(last))

    def run(self, script: Script, image: int) -> Script:
        """Start, send, wait for the end."""
        return self.send(script.control("START"), image).until("STATUS", "BUSY", False)

    def play(self, script: Script) -> Log:
        """Run a script in a fresh simulation."""
        (self.folder / "script.txt").write_text("\n".join(script.lines) + "\n")
        subprocess.run(["vvp", "-n", "bus.vvp"], cwd=self.folder, check=True, capture_output=True)
        return read_log(self.folder / "log.txt")


HELD = {"hold": 4, "fill": 2, "out_lanes": 2}
"""The second accelerator of 2 x 2 lanes."""


def build(
    program: Program, folder: Path, *, rows=2, cols=2, micro="decode", images=3, held=False
) -> Chip:
    """Emit, compile with the bus, and write the images' codes."""
    usable("icarus")
    arch = narrowest(program, rows=rows, cols=cols, micro=micro, **(HELD if held else {}))
    plan = check_storage(arch, program)
    batch = random_images(program, images)
    texts = axi_texts(arch)
    width = -(-arch.storage.code_width // 8)
    texts["axi_bus.v"] = BUS.read_text().replace("@BYTES@", str(width))
    for name, text in texts.items():
        (folder / name).write_text(text)
    codes = [image.transpose(1, 2, 0).ravel().tolist() for image in batch]
    lines = [f"{code & (1 << 8 * width) - 1:x}" for image in codes for code in image]
    (folder / "codes.hex").write_text("\n".join(lines) + "\n")
    command = ["iverilog", "-g2012", "-s", "axi_bus", "-o", "bus.vvp", *texts]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return Chip(
        arch=arch,
        program=program,
        rows=memory_image(arch, plan),
        images=codes,
        expected=results_of(plan, batch),
        folder=folder,
    )


def results_of(plan: Plan, batch) -> list[list[int]]:
    """Golden results of images, in the order of m_axis."""
    logits = golden.run(plan.program, stored_image(plan, batch)).logits.reshape(len(batch), -1)
    shape = plan.program.tensor_shape(plan.program.layers[-1].name)
    return logits[:, result_positions(plan.passes[-1].result_walk, shape)].tolist()


def read_log(path: Path) -> Log:
    """`log.txt` as values."""
    found = {kind: [] for kind in "wrotc"} | {"rule": []}
    for line in path.read_text().splitlines():
        kind, *rest = line.split()
        found[kind].append(rest)
    signed = [int(code, 16) for code, _, _ in found["o"]]
    signed = [code - (code >> 31 << 32) for code in signed]
    return Log(
        writes=[(int(at, 16), response) for at, response in found["w"]],
        reads=[(int(at, 16), int(value, 16), response) for at, value, response in found["r"]],
        results=[
            (code, int(last), int(cut))
            for code, (_, last, cut) in zip(signed, found["o"], strict=True)
        ],
        broken=[" ".join(rest) for rest in (*found["rule"], *found["t"])],
        taken=int(found["c"][0][0]),
    )
