"""Plans with external memory, executed from their memory images and jobs, against golden."""

from dataclasses import replace

import numpy as np
import pytest
from general_nets import general_net
from held_external import ExternalInterpreter, external_tensors
from held_interpreter import tensors
from held_sizes import held_size
from places import ROOT
from programs import random_images
from random_nets import random_net

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.networks.plans import Plan
from adqhw.rtl.planning.fold import stored_image
from adqhw.rtl.program.fit import check_storage, narrowest
from adqhw.rtl.program.image import memory_image
from adqhw.spec import InputError, LayerKind, Program, golden
from adqhw.spec.program import INPUT
from adqhw.spec.program_file import load


def smaller(arch: Arch, shares: dict[str, float], external: External) -> Arch:
    """The Arch with shares of its memories, and external memory."""
    sizes = {name: max(1, int(getattr(arch.storage, name) * s)) for name, s in shares.items()}
    storage = replace(arch.storage, **sizes, passes=1 << 14)
    return replace(arch, storage=storage, external=external)


def executed(program: Program, arch: Arch, image: np.ndarray) -> Plan:
    """The plan, after every tensor was compared with golden."""
    plan = check_storage(arch, program)
    assert plan.outside is not None
    wanted = {
        name: codes[0] for name, codes in golden.run(program, image[None], "all").tensors.items()
    }
    wanted[INPUT] = stored_image(plan, image[None])[0] - plan.offsets.get(INPUT, 0)
    rows = memory_image(arch, plan)
    for early in (True, False):
        machine = ExternalInterpreter(arch, rows, plan.outside, early=early)
        made = machine.run(image + plan.offsets.get(INPUT, 0))
        kept = {n: r for n, r in plan.placement.tensors.items() if n not in plan.outside.maps}
        inside = replace(plan, placement=replace(plan.placement, tensors=kept))
        found = tensors(arch, inside, made) | external_tensors(arch, plan, made)
        for name, codes in found.items():
            assert (codes == wanted[name]).all(), name
        assert set(plan.outside.maps) <= set(found)
    return plan


EXTERNAL = External(jobs=1 << 14)


def an_image(program: Program, seed: int = 0) -> np.ndarray:
    return random_images(program, 1, seed=seed)[0].astype(np.int64)


def zoo_arch(program: Program) -> Arch:
    return narrowest(program, rows=16, cols=16, hold=16, fill=8, out_lanes=4)


def test_weights_and_parameters_in_turn():
    """Every pass finds its rows, loaded beside the one before: no step without a pass."""
    program = load(ROOT / "zoo" / "cifar10_resnet20_w4a4.safetensors")
    shares = {"weight_rows": 0.27, "requant_rows": 0.3, "threshold_rows": 0.3}
    plan = executed(program, smaller(zoo_arch(program), shares, EXTERNAL), an_image(program))
    assert plan.outside.streamed == {3, 8} | ({2} & plan.outside.streamed)
    assert not any(entry.idle for entry in plan.passes)
    assert not plan.outside.maps


def test_maps_in_stripes():
    program = load(ROOT / "zoo" / "cifar10_resnet20_w4a4.safetensors")
    plan = executed(program, smaller(zoo_arch(program), {"activation_words": 0.6}, EXTERNAL),
                    an_image(program))  # fmt: skip
    assert plan.outside.maps
    assert not plan.outside.streamed


MEMORIES = ("activation_words", "weight_rows", "requant_rows", "threshold_rows")


def accepted(program: Program, arch: Arch) -> bool:
    try:
        check_storage(arch, program)
    except InputError:
        return False
    return True


def random_case(seed: int) -> Plan:
    """Every memory with a random share, or the next one that is enough."""
    rng = np.random.default_rng(seed)
    program = general_net(seed) if seed % 2 else random_net(seed)
    arch = narrowest(program, **held_size(rng))
    external = replace(EXTERNAL, bus_width=int(rng.choice([32, 64, 256])))
    shares = {}
    for name in MEMORIES:
        tried = [s for s in (0.3, 0.45, 0.6, 0.75, 0.9) if s >= rng.choice([0.3, 0.6, 1.0])]
        enough = (s for s in tried if accepted(program, smaller(arch, {name: s}, external)))
        shares[name] = next(enough, 1.0)
    small = smaller(arch, shares, external)
    if not accepted(program, small):  # chains and stripes together may need more
        small = smaller(arch, shares | {"activation_words": 1.0}, external)
    return executed(program, small, an_image(program, seed))


def test_random_programs_on_random_memories():
    plans = [random_case(seed) for seed in range(40)]
    kept = [plan.outside for plan in plans if plan.outside]
    assert sum(bool(outside.maps) for outside in kept) >= 4
    assert sum(len(outside.streamed) > 0 for outside in kept) >= 10
    assert any(entry.idle for plan in plans for entry in plan.passes)
    assert any(entry.word.get("more") for plan in plans for entry in plan.passes)


@pytest.mark.parametrize("seed", [20060, 20220])
def test_results_of_a_last_pool_after_stripes(seed):
    """A max pool at the end whose input is outside: its own codes leave, not its input's lines."""
    plan = random_case(seed)
    assert plan.outside is not None
    layer = plan.program.layers[-1]
    assert layer.kind is LayerKind.MAX_POOL
    assert layer.input in plan.outside.maps


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_many_random_programs_on_random_memories(part):
    for seed in range(20_000 + 100 * part, 20_100 + 100 * part):
        random_case(seed)
