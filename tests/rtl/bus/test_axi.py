"""The AXI top level under cocotbext-axi: a host loads, runs and reads everything over the bus."""

import json
import os
import re

import axi_host
import numpy as np
import pytest
from axi_bus import HELD
from programs import Builder, random_images
from simulators import usable

from adqhw.cosim.layer.runner import build_texts
from adqhw.cosim.network.trace import result_positions
from adqhw.rtl.bus.registers import SLVERR, load_words, mask
from adqhw.rtl.program.fit import check_storage, narrowest
from adqhw.rtl.program.image import memory_image
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.rtl.verilog import AXI_MODULE, axi_texts
from adqhw.spec import LayerKind, golden

# The bus itself is tried by test_axi_bus.py, and by the testbench of emitted folders, in seconds.
pytestmark = [pytest.mark.simulator, pytest.mark.slow]


def small_net():
    b = Builder(np.random.default_rng(3), (2, 4, 4))
    b.mac(3, stage="requant", weight_width=4, uniform=True, padding=1)
    b.read(3)
    b.mac(4, 2, weight_width=2, act_width=3, stride=2)
    b.pool(LayerKind.MAX_POOL, 2, 1)
    b.mac(6, 1, stage="requant", weight_width=4, uniform=True, linear=True, out="s32")
    return b.build()


def split(rows, arch):
    """Rows as 32-bit words, least significant first."""
    words = load_words(arch)
    return [
        [int(t), r, [d >> 32 * i & 0xFFFFFFFF for i in range(words[int(t)])]] for t, r, d in rows
    ]


def with_open_ports(arch):
    """The top level whose ports, and nothing else, Python can drive and read."""
    texts = axi_texts(arch)
    name = f"{AXI_MODULE}.v"
    before, top = texts[name].split(f"module {AXI_MODULE}(")
    ports = re.compile(r"^(  (?:input|output) [^;]*);", re.M)
    marked, count = ports.subn(r"\1 /*verilator public_flat_rw*/;", top)
    assert count >= 30
    return texts | {name: f"{before}module {AXI_MODULE}({marked}"}


# Verilator only: under Icarus 11 with cocotbext-axi the first write is answered and then the bench
# waits until its time limit. The accelerator itself runs there (test_network, test_emission).
PAUSES = [[0, 1, 1, 0, 0], [1, 1, 0, 1, 0, 1, 1]]


@pytest.mark.parametrize(
    ("pauses", "sizes"),
    [
        (None, {"rows": 2, "cols": 3}),
        (PAUSES, {"rows": 2, "cols": 3}),
        (None, {"rows": 2, "cols": 2, **HELD}),
    ],
    ids=["at once", "pauses", "held"],
)
def test_a_host_runs_a_network_over_axi(pauses, sizes, tmp_path, tmp_path_factory):
    from cocotb_tools.runner import get_runner

    simulator = usable("verilator")
    program = small_net()
    arch = narrowest(program, **sizes)
    plan = check_storage(arch, program)
    images = random_images(program, 3)
    job = {
        "rows": split(memory_image(arch, plan), arch),
        "images": [image.transpose(1, 2, 0).ravel().tolist() for image in images],
        "pauses": pauses,
        "passes": len(plan.passes),
        "output": str(tmp_path / "found.json"),
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    cache = tmp_path_factory.getbasetemp() / "axi"
    made = build_texts(with_open_ports(arch), arch, simulator, cache, top=AXI_MODULE)
    with simulator.active():
        get_runner("verilator").test(
            test_module=axi_host.__name__,
            hdl_toplevel=AXI_MODULE,
            hdl_toplevel_lang="verilog",
            build_dir=made.folder,
            test_dir=tmp_path,
            results_xml=str(tmp_path / "results.xml"),
            timescale=("1ns", "1ps"),
            extra_env={axi_host.JOB: str(tmp_path / "job.json"), **_quiet()},
            log_file=tmp_path / "simulation.log",
        )
    found = json.loads((tmp_path / "found.json").read_text())
    logits = golden.run(program, images).logits
    order = result_positions(plan.passes[-1].result_walk, program.tensor_shape("mac4"))
    model = np.array([entry.cycles for entry in network_cycles(arch, program) if entry.passes])
    for image, run in enumerate(found["runs"]):
        assert run["results"] == logits[image][order].tolist()
        passes, totals = np.array(run["counters"][:-1]), np.array(run["counters"][-1])
        alone = np.diff(passes, axis=0, prepend=0)
        np.testing.assert_array_equal(alone[:, 0], model + alone[:, 3] + alone[:, 4])
        np.testing.assert_array_equal(totals, passes[-1])
    first, second = (run["results"] for run in found["runs"][:2])
    wrong = found["wrong"]
    # what was refused, spoilt nothing
    assert wrong["responses"] == [SLVERR] * 5
    assert wrong["results"] == [first, second, second, second]
    assert wrong["errors"] == [
        mask("ERROR", "ACCESS") | mask("ERROR", "BUSY"),
        mask("ERROR", "IMAGE_SHORT"),
        mask("ERROR", "IMAGE_LONG"),
    ]


def _quiet():
    return {"COCOTB_LOG_LEVEL": "WARNING", "PATH": os.environ["PATH"]}
