"""Accumulators of a stated width: bounds on integers, steps, scaled channels, export's check."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import tiny_images

from adqhw.adq.export.export import check_accumulators, export
from adqhw.adq.networks import calibrate
from adqhw.adq.networks.config import CifarConfig
from adqhw.adq.networks.network import Network
from adqhw.adq.quantizers.accumulators import Room, shrink
from adqhw.adq.quantizers.codebook_config import CodebookConfig
from adqhw.adq.quantizers.methods import Method, weight_quantizer
from adqhw.adq.quantizers.uniform import UniformWeight
from adqhw.adq.recipes import recipes
from adqhw.adq.recipes.config_text import override
from adqhw.spec.errors import InputError
from adqhw.spec.formats import IntFormat
from adqhw.spec.program import INPUT

U4 = IntFormat(width=4)


def fits(levels: np.ndarray, acc_width: int, source: IntFormat) -> bool:
    """Every channel's extreme sums, by choosing the worst code for each weight, in the range."""
    bottom, top = -(1 << (acc_width - 1)), (1 << (acc_width - 1)) - 1
    for row in levels.reshape(len(levels), -1).tolist():
        high = sum(max(w * source.min, w * source.max) for w in row)
        low = sum(min(w * source.min, w * source.max) for w in row)
        if high > top or low < bottom:
            return False
    return True


@given(
    st.lists(st.lists(st.integers(-127, 127), min_size=3, max_size=3), min_size=1, max_size=4),
    st.integers(6, 14), st.integers(1, 8), st.booleans(),
)  # fmt: skip
def test_a_channel_reaches_at_most_1_just_if_no_input_overflows(rows, acc_width, width, signed):
    source = IntFormat(width=max(2, width), signed=signed)
    room = Room(acc_width=acc_width, source=source)
    found = bool((room.reach(torch.tensor(rows)) <= 1).all())
    assert found == fits(np.array(rows), acc_width, source)


@pytest.mark.parametrize("acc_width", [12, 10, 8])
@pytest.mark.parametrize("rule", ["adq", "lsq", "post", "pot"])
def test_shrinking_fits_every_channel_and_leaves_alone_what_fits(rule, acc_width):
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(6, 4, 3, 3, generator=generator)
    weight[:2] *= 0.02  # channels that fit as they are
    before = weight.clone()
    made = weight_quantizer(Method(weights=rule), 4, 6)
    made.initialise(weight)
    if rule in ("post", "pot"):  # their scale is the channel's own
        made.alpha.data.fill_(2.0)
    made.freeze()
    made.room = Room(acc_width=acc_width, source=U4)
    level = made(weight)[0].detach().numpy()
    good = [fits(row[None], acc_width, U4) for row in level]
    shrink(weight, made)
    after = made(weight)[0].detach().numpy().astype(int)
    assert fits(after, acc_width, U4)
    for channel, was_good in enumerate(good):
        assert torch.equal(weight[channel], before[channel]) == was_good
    assert any(good) or acc_width == 8
    assert not all(good) or rule == "lsq"


def test_the_step_of_a_codebook_lets_half_of_the_channels_fit():
    generator = torch.Generator().manual_seed(4)
    weight = torch.randn(9, 8, 3, 3, generator=generator)
    weight *= torch.linspace(0.2, 1.0, 9).view(-1, 1, 1, 1)
    made = weight_quantizer(Method(), 3, 9)
    made.room = Room(acc_width=12, source=U4)
    made.initialise(weight)
    reach = made.room.reach(made(weight)[0])
    assert int((reach <= 1.05).sum()) >= 5 > int((reach <= 0.5).sum())
    assert 4 <= int(made.levels.abs().max()) < 127
    made.room = Room(acc_width=32, source=U4)
    made.initialise(weight)
    assert int(made.levels.abs().max()) == 127


@pytest.mark.parametrize("acc_width", [9, 11, 13, 24])
def test_uniform_weights_take_the_least_step_that_fits(acc_width):
    weight = torch.randn(5, 16, generator=torch.Generator().manual_seed(5))
    made = UniformWeight(8)
    plain, step = made(weight)
    made.room = Room(acc_width=acc_width, source=U4)
    levels, coarser = made(weight)
    assert fits(levels.numpy().astype(int), acc_width, U4)
    if acc_width == 24:
        assert torch.equal(levels, plain)
        assert coarser == step
    else:
        finer = torch.round(weight / (coarser * 0.9))
        assert not fits(finer.numpy().astype(int), acc_width, U4)


def network(acc_width: int, **method) -> Network:
    torch.manual_seed(7)
    config = CifarConfig(
        depth=8, widths=(4, 8, 16), image_size=8, mean=(0.5,) * 3, std=(0.25,) * 3,
        method=Method(codebook=CodebookConfig(acc_width=acc_width), **method),
    )  # fmt: skip
    model = Network(config)
    calibrate.start_fakequant(model, [tiny_images(8)])
    return model


@pytest.mark.parametrize("rule", ["adq", "lsq", "post"])
def test_every_layer_of_a_program_fits_after_training_steps(rule):
    model = network(12, weights=rule)
    steps = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in range(6):
        if step == 4:
            model.freeze_codebooks()
        model.train()
        steps.zero_grad()
        model(tiny_images(8)).square().mean().backward()
        steps.step()
        model.update_codebooks(0.8)
    program = export(model.eval())
    widths = [program.acc_width(layer.name) for layer in program.mac_layers]
    assert max(widths) <= 12
    assert min(widths) > 6
    wide = network(12, weights=rule)
    for conv in wide.hidden().values():
        conv.quantizer.room = None
    wide.freeze_codebooks()
    for conv in wide.hidden().values():
        conv.weight.data *= 1000
    with pytest.raises(
        InputError, match=r"sums must fit 12 bits \(hardware.acc_width\), not reach"
    ):
        export(wide.eval())


def test_the_check_of_the_export_names_layer_and_bounds():
    program = export(_frozen(network(16)))
    check_accumulators(program, None)
    widest = max(program.mac_layers, key=lambda layer: program.acc_width(layer.name)).name
    least = program.acc_width(widest)
    check_accumulators(program, least)
    with pytest.raises(InputError, match=f"sums must fit {least - 1} bits.*take {least}"):
        check_accumulators(program, least - 1)


def _frozen(model: Network) -> Network:
    model.freeze_codebooks()
    return model.eval()


def test_an_accumulator_that_one_weight_overflows_is_refused():
    with pytest.raises(
        InputError, match=r"hardware.acc_width must be at least 12 in layer 'conv1'"
    ):
        network(11)
    base = recipes.get("digits_resnet8_adq")
    assert override(base, ["hardware.acc_width=14"]).hardware.acc_width == 14
    with pytest.raises(InputError, match=r"hardware.acc_width must be in 8..32, not 7"):
        override(base, ["hardware.acc_width=7"])
    for rule in ("apot", "n2uq"):
        with pytest.raises(
            InputError, match=r"hardware.acc_width must be null with weights apot or"
        ):
            override(base, ["hardware.acc_width=14", f"quant.method.weights={rule}"])


def test_rooms_have_the_codes_that_each_layer_reads():
    model = network(16)
    sources = {n.name: model.units()[n.name].quantizer.room.source.name for n in model.nodes
               if n.weighted}  # fmt: skip
    program = export(_frozen(model))
    assert sources == {
        layer.name: program.tensor_format(layer.input).name for layer in program.mac_layers
    }
    assert program.tensor_format(INPUT).name == sources["conv1"]
