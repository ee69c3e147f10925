"""Plans of arrays that hold weights, executed from their memory images, against golden."""

import dataclasses

import numpy as np
import pytest
from general_nets import general_net
from held_interpreter import Interpreter, tensors
from held_sizes import held_size
from places import ROOT
from programs import every_kind, random_images, second_version
from random_nets import random_net

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.layouts.descriptor import PassKind
from adqhw.rtl.networks.plans import Plan
from adqhw.rtl.planning.fold import stored_image
from adqhw.rtl.program.fit import check_storage, narrowest
from adqhw.rtl.program.image import memory_image
from adqhw.spec import (
    InputError,
    IntFormat,
    LayerKind,
    MacLayer,
    PoolLayer,
    Program,
    Requant,
    golden,
)
from adqhw.spec.program import INPUT
from adqhw.spec.program_file import load

ZOO = sorted((ROOT / "zoo").glob("*.safetensors"))
TYPICAL = {"rows": 16, "cols": 16, "hold": 16, "fill": 8, "out_lanes": 4}


def interpreted(program: Program, image: np.ndarray, **size) -> Plan:
    """The plan, after every tensor that its passes give was compared with golden."""
    arch = narrowest(program, **size)
    plan = check_storage(arch, program)
    made = Interpreter(arch, memory_image(arch, plan)).run(image + plan.offsets.get(INPUT, 0))
    found = tensors(arch, plan, made)
    wanted = {
        name: codes[0] for name, codes in golden.run(program, image[None], "all").tensors.items()
    }
    wanted[INPUT] = stored_image(plan, image[None])[0] - plan.offsets.get(INPUT, 0)
    wrong = {name: int((codes != wanted[name]).sum()) for name, codes in found.items()}
    assert {name: count for name, count in wrong.items() if count} == {}
    for name in set(wanted) - set(found):  # read by the thresholds in their pass alone
        readers = [layer.name for layer in program.layers if name in layer.reads]
        assert readers == [plan.chains[name]]
    return plan


def any_image(program: Program, seed: int = 0) -> np.ndarray:
    return random_images(program, 1, seed=seed)[0].astype(np.int64)


@pytest.mark.parametrize("name", ["cifar10_resnet20_w4a4", "cifar10_resnet20_mixed250_a4"])
def test_programs_of_the_zoo(name):
    program = load(ROOT / "zoo" / f"{name}.safetensors")
    plan = interpreted(program, any_image(program), **TYPICAL)
    assert plan.fold is not None
    assert len(plan.chains) == 9
    assert len(plan.passes) == len(program.layers) + 1 - len(plan.chains)


@pytest.mark.slow
@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
@pytest.mark.parametrize(("rows", "cols", "out_lanes"), [(16, 16, 4), (32, 32, 8), (8, 16, 8)])
def test_every_program_of_the_zoo(path, rows, cols, out_lanes):
    program = load(path)
    size = TYPICAL | {"rows": rows, "cols": cols, "out_lanes": out_lanes}
    interpreted(program, any_image(program), **size)


def random_case(seed: int) -> Plan:
    rng = np.random.default_rng(seed)
    program = general_net(seed) if seed % 2 else random_net(seed)
    micro = str(rng.choice(["decode", "uniform"]))
    return interpreted(program, any_image(program, seed), micro=micro, **held_size(rng))


def test_random_programs_on_random_arrays():
    """Of both versions of the contract; every special case of the planner takes part."""
    plans = [random_case(seed) for seed in range(60)]
    passes = [entry for plan in plans for entry in plan.passes]
    assert any(plan.chains for plan in plans)
    assert any(plan.fold for plan in plans)
    assert any(plan.placement.pads for plan in plans)
    assert any(region.banks == 3 for plan in plans for region in plan.placement.tensors.values())
    assert any(entry.tile and entry.tile.block_step for entry in passes)
    assert any(entry.word["feed"].get("constant") for entry in passes)
    assert any(entry.word["walk"]["narrow"] and not entry.word.get("to_stream") for entry in passes)
    assert any(entry.word["walk"]["lane"] for entry in passes)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_many_random_programs_on_random_arrays(part):
    for seed in range(10_000 + 100 * part, 10_100 + 100 * part):
        random_case(seed)


@pytest.mark.parametrize("make", [every_kind, second_version])
def test_every_kind_of_layer(make):
    program = make()
    for seed in range(6):
        interpreted(program, any_image(program), **held_size(np.random.default_rng(seed)))


def test_a_fold_whose_padding_is_only_at_the_sides_stores_the_padding_codes():
    """The folded layer itself has no padding then; its codes of padding are still needed."""
    layer = MacLayer(
        name="conv", input=INPUT, weights=np.arange(1, 19).reshape(1, 2, 3, 3) % 7 - 3,
        weight_width=4, padding=(0, 1, 0, 2), stride=(1, 2), pad_codes=np.array([5, 9]),
        output=Requant(multiplier=[1], bias=[0], shift=2, out=IntFormat(width=8, signed=True)),
    )  # fmt: skip
    program = Program(input_shape=(2, 4, 5), input_format=IntFormat(width=4), layers=(layer,))
    plan = interpreted(program, any_image(program), **TYPICAL)
    assert plan.fold is not None
    assert plan.passes[0].word["fold"]["pad_stored"] == 1


def depthwise(channels: int, pads: list[int]) -> Program:
    rng = np.random.default_rng(1)
    layer = MacLayer(
        name="depthwise", input=INPUT, weights=rng.integers(-3, 4, (channels, 1, 3, 3)),
        weight_width=3, padding=1, groups=channels, pad_codes=np.resize(pads, channels),
        output=Requant(multiplier=[3], bias=[0], shift=4, out=IntFormat(width=8)),
    )  # fmt: skip
    pool = PoolLayer(
        name="pool", input="depthwise", kind=LayerKind.AVG_POOL, kernel=2, stride=2,
        output=Requant(multiplier=[1], bias=[0], shift=2, out=IntFormat(width=8)),
    )  # fmt: skip
    return Program(
        input_shape=(channels, 6, 5), input_format=IntFormat(width=5), layers=(layer, pool)
    )


@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (4, 8), (8, 4), (3, 3)])
@pytest.mark.parametrize("pads", [[0], [7], [1, 2, 3]])
def test_depthwise_layers_take_one_pass_where_padding_words_are_equal(rows, cols, pads):
    program = depthwise(13, pads)
    plan = interpreted(
        program, any_image(program), rows=rows, cols=cols, hold=5, fill=1, out_lanes=1
    )
    passes = [entry for entry in plan.passes if entry.layer == "depthwise"]
    equal = len(pads) == 1 or rows == 3
    if rows <= cols and equal:
        assert len(passes) <= 2  # the last block may read fewer words
    if not equal:
        assert len(passes) > 1


def test_descriptors_name_what_passes_do():
    program = load(ROOT / "zoo" / "cifar10_resnet20_w4a4.safetensors")
    arch = narrowest(program, **TYPICAL)
    plan = check_storage(arch, program)
    second = plan.passes[1]
    assert (second.layer, second.kind) == ("conv1", PassKind.ARRAY)
    assert second.second in plan.chains.values()
    feed = second.word["feed"]
    assert (feed["groups"], feed["size"], feed["larger"]) == (64, 16, 0)
    assert (feed["kernel_height"], feed["kernel_width"]) == (3, 1)
    last = plan.passes[-1]
    assert last.word["final"] == last.word["to_stream"] == last.word["walk"]["narrow"] == 1


def test_memories_that_are_too_small_are_named():
    program = every_kind()
    arch = narrowest(program, rows=4, cols=4, hold=4, fill=2, out_lanes=2)
    for name in ("activation_words", "weight_rows", "requant_rows", "passes"):
        least = getattr(arch.storage, name)
        small = dataclasses.replace(arch.storage, **{name: least - 1})
        with pytest.raises(InputError, match=f"Arch storage {name} must be at least {least}"):
            check_storage(dataclasses.replace(arch, storage=small), program)


def test_axes_are_not_needed():
    """Every pass of an array that holds weights has both."""
    program = general_net(7)
    assert narrowest(program, **TYPICAL).axes == 1
    check_storage(Arch.from_dict(narrowest(program, **TYPICAL).to_dict()), program)
