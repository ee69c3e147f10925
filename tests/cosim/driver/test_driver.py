"""The C driver, compiled, against the AXI top level in Verilator: programs, images, accidents."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from external_archs import small_arch
from general_nets import general_net
from needs import absent
from programs import random_images
from random_nets import random_net
from simulators import usable

from adqhw.cosim.driver.driver import DriverBench, build_host, driver_texts
from adqhw.cosim.network.trace import result_positions
from adqhw.rtl.accelerator.ports import Target
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.bus.registers import EXTERNAL_ERRORS
from adqhw.rtl.program.blob import program_blob
from adqhw.rtl.program.fit import check_storage
from adqhw.rtl.program.image import memory_image
from adqhw.rtl.program.run_cycles import run_cycles
from adqhw.rtl.timing.dram import DramModel
from adqhw.spec import InputError, golden

MODEL = DramModel(latency=23, beat_cycles=1, row_bytes=512, row_miss=11)
FAILED = -5
BAD_BLOB = -3


def test_a_driver_is_for_arrays_that_interrupt():
    with pytest.raises(InputError, match="hold must be at least 2 for a driver"):
        driver_texts(Arch(rows=2, cols=2))


def expected(plan, program, image) -> list[tuple[int, int, int]]:
    """Transfers of m_axis of one image."""
    last = program.layers[-1].name
    codes = golden.run(program, image[None], "all").tensors[last][0].ravel()
    codes = codes + plan.offsets.get(last, 0)
    walks = [entry.result_walk for entry in plan.passes if entry.word.get("to_stream")]
    shape = plan.program.tensor_shape(last)
    order = np.concatenate([result_positions(walk, shape) for walk in walks])
    ends = [0] * (len(order) - 1) + [1]
    return [(int(code), end, 0) for code, end in zip(codes[order], ends, strict=True)]


def error(name: str) -> int:
    return 1 << list(EXTERNAL_ERRORS).index(name)


HELD = Arch(rows=2, cols=2, hold=2, external=External())


@pytest.mark.parametrize("arch", [HELD, replace(HELD, external=None)])
def test_a_compiler_takes_the_driver(arch, tmp_path):
    for name, text in driver_texts(arch, "chip").items():
        (tmp_path / name).write_text(text)
    command = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "chip_driver.c"]
    try:
        subprocess.run(command, check=True, cwd=tmp_path)
    except FileNotFoundError as lack:
        absent("cc", str(lack))


def test_a_blob_has_all_rows_and_descriptors_last():
    net = random_net(4)
    arch = small_arch([net], (4, 4, 4, 2, 2), External())
    rows = memory_image(arch, check_storage(arch, net))
    words = np.frombuffer(program_blob(arch, rows), "<u4").tolist()
    found, at, order = [], 3, []
    for _ in range(words[2]):
        target, first, count, size = words[at : at + 4]
        order.append(target)
        for number in range(count):
            part = words[at + 4 + number * size :][:size]
            bits = sum(word << 32 * i for i, word in enumerate(part))
            found.append((target, first + number, bits))
        at += 4 + count * size
    assert at == len(words)
    assert sorted(found) == sorted(rows)
    assert order.index(Target.PASSES) == len(order) - 1


@pytest.mark.slow
@pytest.mark.simulator
def test_two_programs_and_every_accident(tmp_path):
    """Each run ends with an interrupt; what goes wrong is reported, and the next image is right."""
    nets = [random_net(4), general_net(5)]
    arch = small_arch(nets, (4, 4, 4, 2, 2), External(burst_beats=8, jobs=64))
    plans = [check_storage(arch, net) for net in nets]
    images = [random_images(net, 2, seed=3) for net in nets]
    host = build_host(arch, usable("verilator"), tmp_path)
    bench = DriverBench(arch=arch, folder=tmp_path)
    bench.memory(MODEL)
    blob = program_blob(arch, memory_image(arch, plans[0]))
    bench.load_bytes(blob[:-4])  # cut off: nothing is written
    bench.load_bytes(b"\0" * 64)
    good = []
    for number in (0, 1, 0):
        plan, net = plans[number], nets[number]
        bench.load(plan)
        for image in images[number]:
            bench.image(plan, image)
            bench.run()
            good.append((plan, net, image))
    plan, net, image = good[-1]
    size = image.size
    for count in (size - 3, size + 5):  # too short and too long
        bench.image(plan, image, count)
        bench.run()
        bench.image(plan, image)
        bench.run()
    bench.memory(MODEL, fault=1 << 16)
    bench.image(plan, image)
    bench.run()
    bench.memory(MODEL)
    bench.image(plan, image)
    bench.run()
    loads, runs = bench.play(host)
    assert loads == [0, BAD_BLOB, BAD_BLOB, 0, 0, 0, 0, 0, 0]
    statuses = [run.status for run in runs]
    assert statuses == [0] * 6 + [FAILED, 0, FAILED, 0, FAILED, 0]
    assert [run.errors for run in runs if run.status] == [
        error("IMAGE_SHORT"), error("IMAGE_LONG"), error("MEMORY")
    ]  # fmt: skip
    right = [run for run in runs if not run.status]
    for run, (plan, net, image) in zip(right, [*good, *[good[-1]] * 3], strict=True):
        assert run.results == expected(plan, net, image)
        model = run_cycles(arch, net, plan, MODEL)
        for name in ("beats", "beats_read", "beats_written"):
            assert run.counters[name] == sum(getattr(entry, name) for entry in model)
        free = sum(entry.cycles for entry in model)
        stalls = run.counters["input_stalls"] + run.counters["output_stalls"]
        assert free <= run.counters["cycles"] <= free + stalls
