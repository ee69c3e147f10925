"""The engine in Amaranth's simulator: routes, layer changes, latencies."""

import numpy as np
import pytest

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.registry import names
from adqhw.rtl.engine.engine import Engine
from adqhw.rtl.layouts.words import codebook_words, config_word, requant_words, threshold_words
from adqhw.rtl.timing.schedule import schedule_word
from adqhw.spec import Codebook, IntFormat, Requant, Threshold
from adqhw.verify.rtl_streams import simulate

BOOK = Codebook(levels=(0, 3, 16, -24), width=2)  # of the shift form: every array takes it
THRESHOLD = Threshold(
    tau=[[-90, 0, 40], [-10, 10, 30], [-200, -50, 300], [1, 2, 3]], sign=[1, -1, 1, -1]
)
REQUANT = Requant(multiplier=[3, -2, 5, 1], bias=[4, 9, -30, 0], shift=3, out=IntFormat.parse("s8"))
WITH_SKIP = Requant(
    multiplier=[3, -2, 5, 1],
    bias=[4, 9, -30, 0],
    shift=3,
    out=IntFormat.parse("u8"),
    skip_multiplier=6,
)


def arch(micro: str = "decode", rows: int = 3, cols: int = 2) -> Arch:
    return Arch(
        rows=rows,
        cols=cols,
        micro=micro,
        channels=4,
        act_width=4,
        weight_width=2,
        level_width=6,
        acc_width=14,
        threshold_width=2,
        out_width=9,
    )


def loads(a: Arch, output: Threshold | Requant, **flags: bool) -> list[tuple[str, dict]]:
    threshold = isinstance(output, Threshold)
    work = schedule_word(a, a.lanes.schedule(a, act_width=a.act_width, levels=len(BOOK.levels)))
    port, words = ("thresholds", threshold_words) if threshold else ("requants", requant_words)
    return [
        ("config", config_word(output, **flags) | work),
        *(("codebook", word) for word in codebook_words(a, BOOK)),
        *((port, word) for word in words(a, output, 4)),
    ]


class Case:
    """A matrix product: 4 output channels (2 column blocks), `pixels` columns of activations."""

    def __init__(self, a: Arch, pixels: int, depth: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.a, self.depth = a, depth
        self.acts = rng.integers(0, 16, (pixels, depth, a.rows))
        self.codes = rng.integers(0, 4, (4, depth, a.rows))
        self.levels = np.array(BOOK.levels)[self.codes]
        self.acc = np.einsum("pdr,cdr->cp", self.acts, self.levels)
        self.skips = rng.integers(0, 256, self.acc.shape)
        coded = a.micro != "uniform"
        self.fields = self.codes if coded else self.levels & ((1 << a.field_width) - 1)

    def beats(self) -> list[dict]:
        cols = self.a.cols
        return [
            {
                "activations": self.acts[pixel, step].tolist(),
                "weights": self.fields[base : base + cols, step].tolist(),
                "channel": base,
                "first": int(step == 0),
                "last": int(step == self.depth - 1),
            }
            for base in range(0, 4, cols)
            for pixel in range(len(self.acts))
            for step in range(self.depth)
        ]

    def ordered(self, maps: np.ndarray) -> list[int]:
        """A (4, pixels) map in the engine's output order."""
        cols = self.a.cols
        return [int(v) for base in range(0, 4, cols) for v in maps[base : base + cols].T.ravel()]

    def expected(self, output: Threshold | Requant) -> list[int]:
        if output is WITH_SKIP:
            return self.ordered(output.apply(self.acc[None], self.skips[None])[0])
        return self.ordered(output.apply(self.acc[None])[0])


def run(case: Case, output: Threshold | Requant, **pressure):
    skip = output is WITH_SKIP
    feeds = {"beat": case.beats()}
    if skip:
        feeds["skip"] = case.ordered(case.skips)
    return simulate(
        Engine(case.a),
        feeds,
        {"output": case.acc.size},
        loads=loads(case.a, output, skip=skip),
        **pressure,
    )


@pytest.mark.parametrize("output", [THRESHOLD, REQUANT, WITH_SKIP], ids=["thr", "req", "skip"])
@pytest.mark.parametrize("micro", names())
@pytest.mark.parametrize(("idle", "pause"), [(0, 0), (0.4, 0.4)])
def test_a_layer_equals_the_contract(output, micro: str, idle: float, pause: float):
    case = Case(arch(micro), pixels=3, depth=4)
    trace = run(case, output, idle=idle, pause=pause)
    assert trace.values("output") == case.expected(output)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_group_interval_and_latency_are_as_stated(depth: int):
    """Groups leave max(depth, cols) cycles apart; the first output after the stated latency."""
    for output, requant in ((THRESHOLD, False), (REQUANT, True)):
        case = Case(arch(), pixels=4, depth=depth)
        trace = run(case, output)
        dut = Engine(case.a)
        interval, first = max(depth, 2), depth - 1 + dut.latency(requant=requant)
        starts = [first + interval * group for group in range(8)]
        assert trace.cycles("output") == [s + col for s in starts for col in range(2)]


@pytest.mark.parametrize("output", [THRESHOLD, REQUANT], ids=["threshold", "requant"])
def test_direct_codes_reach_the_output_stage(output):
    codes = np.random.default_rng(2).integers(0, 256, (4, 5))
    feed = [{"acc": int(v), "channel": c} for c, row in enumerate(codes) for v in row]
    dut = Engine(arch())
    trace = simulate(
        Engine(arch()),
        {"direct": feed},
        {"output": 20},
        loads=loads(arch(), output, direct=True),
    )
    assert trace.values("output") == output.apply(codes[None])[0].ravel().tolist()
    latency = dut.direct_latency(requant=output is REQUANT)
    assert trace.cycles("output") == [c + latency for c in trace.accepted["direct"]]
    assert trace.accepted["direct"] == list(range(20))  # initiation interval 1
