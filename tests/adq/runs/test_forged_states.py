"""States that no run writes, under a right digest: refused by every reader, in one line."""

import numpy as np
import pytest
import torch
from forged_runs import finished_run, forged, small_recipe
from safetensors.torch import save_file

from adqhw.adq.export.export import export
from adqhw.adq.integers.folding import Affine, FoldError, fold_requant
from adqhw.adq.models.build import restored
from adqhw.adq.runs import checkpoint
from adqhw.adq.runs.run_folder import RunFolder
from adqhw.adq.tensors import Mode, NotANumberError
from adqhw.adq.training import run_state, trainer
from adqhw.spec.errors import InputError
from adqhw.spec.formats import IntFormat

NAN, INF = float("nan"), float("inf")
CONV, NORM = "model.layer2.0.conv1", "model.layer2.0.conv1.bn"


def put(name, value, index=()):
    def change(header, tensors):
        tensors[name][index] = value

    return change


def swap(name, tensor):
    return lambda header, tensors: tensors.__setitem__(name, tensor)


def drop(name):
    return lambda header, tensors: tensors.pop(name)


def head(key, value):
    return lambda header, tensors: header.__setitem__(key, value)


def metric(key, value):
    return lambda header, tensors: header["metrics"].__setitem__(key, value)


def field(group, key, value):
    return lambda header, tensors: header["recipe"][group].__setitem__(key, value)


OF_THE_NETWORK = [
    (
        put(f"{NORM}.running_var", -1.0, (3,)),
        r"running_var' must be 0 or .* -1 at index \(3,\)",
    ),
    (
        put(f"{CONV}.weight", NAN, (1, 2, 0, 1)),
        r"weight' must be finite, not nan .*\(1, 2, 0, 1\)",
    ),
    (put("model.fc.bias", INF, (9,)), r"fc\.bias' must be finite, not inf at index \(9,\)"),
    (put(f"{CONV}.quantizer.levels", 0.5, (1,)), r"levels' must be"),
    (put(f"{CONV}.quantizer.levels", -500.0, (0,)), r"levels' must be in -128\.\.127, not -500"),
    (put(f"{CONV}.quantizer.values", 5.0, (0,)), r"values' must be sorted"),
    (put(f"{CONV}.quantizer.step", 0.0), r"step' must be positive, not 0"),
    (swap("model.fc.bias", torch.zeros(9)), r"fc\.bias' must be \(10,\), not \(9,\)"),
    (swap("model.fc.bias", torch.zeros(10).half()), r"fc\.bias' must be float32, not float16"),
    (drop(f"{CONV}.weight"), r"must have a tensor 'layer2\.0\.conv1\.weight'"),
    (swap("model.extra", torch.zeros(1)), r"must not have a tensor 'extra'"),
    (swap("stray", torch.zeros(1)), r"only tensors of .* not 'stray'"),
    (head("step", -1), r"step must be a count, not -1"),
    (head("step", True), r"step must be int, not True"),
    (head("epoch", 10**30), r"epoch must be a count"),
    (field("train", "seed", 10**22), r"train\.seed must be a whole number"),
    (field("model", "depth", 9), r"usable recipe: model\.depth must be"),
    (field("model", "width", 4096), r"must fit .* GiB of memory"),
    (field("quant", "method", {"weights": "magic"}), r"quant\.method\.weights must be one of"),
]
OF_THE_RUN = [
    (swap("momentum.fc.bias", torch.zeros(3)), r"momentum of 'fc\.bias' must be .* \(10,\), not"),
    (swap("momentum.nobody", torch.zeros(3)), r"momentum must be of a parameter, not of 'nobody'"),
    (swap("extra.exp_avg.fc.bias", torch.zeros(3)), r"exp_avg of 'fc\.bias' must be"),
    (swap("extra.magic.fc.bias", torch.zeros(3)), r"must not have a tensor 'extra\.magic"),
    (metric("loss_sum", "much"), r"usable loss_sum, not 'much'"),
    (metric("loss_sum", NAN), r"usable loss_sum, not nan"),
    (metric("best", {"step": 1}), None),
    (metric("best", [1]), r"usable best"),
    (metric("finished", True), r"usable final"),
    (metric("processes", "two"), r"usable processes"),
    (head("step", 999), r"must be of a step up to 3"),
]


def write(folder, change):
    folder.mkdir(exist_ok=True)
    path = folder / "checkpoint.safetensors"
    path.write_bytes(forged(change))
    return path


@pytest.mark.parametrize(("change", "message"), OF_THE_NETWORK)
def test_a_forged_network_is_refused_by_every_reader(tmp_path, change, message):
    path = write(tmp_path, change)
    with pytest.raises(InputError, match=message) as caught:
        restored(checkpoint.load(path), "Checkpoint")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=f"{message}|--resume must continue the run"):
        run_state.resume(small_recipe(), RunFolder(path=tmp_path))


@pytest.mark.parametrize(("change", "message"), OF_THE_RUN)
def test_a_forged_run_is_not_resumed(tmp_path, change, message):
    write(tmp_path, change)
    if message is None:
        run_state.resume(small_recipe(), RunFolder(path=tmp_path))
        return
    with pytest.raises(InputError, match=message):
        trainer.train(small_recipe(), tmp_path, existing="resume")


def test_the_state_without_a_defect_is_taken():
    assert len(export(restored(finished_run(), "Checkpoint").eval()).layers) == 12


def float_weights(folder, **changes):
    parts = (".output.", ".quantizer.", "num_batches_tracked")
    state = finished_run().model
    state = {k: v.clone() for k, v in state.items() if not any(p in k for p in parts)}
    for name, change in changes.items():
        change(state[name.replace("__", ".")])
    save_file(state, folder / "w.safetensors")
    return folder / "w.safetensors"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "layer2__0__conv1__weight",
            lambda t: t[1, 2].fill_(NAN),
            r"weight' must be finite",
        ),
        ("layer2__0__conv1__bn__running_var", lambda t: t[3].neg_(), r"running_var' must be 0 or"),
        ("layer2__0__conv1__weight", lambda t: t.fill_(3e38), r"--init .* finite numbers"),
        ("layer2__0__conv1__weight", lambda t: t.mul_(1e-38), r"--init .* finite numbers"),
    ],
)
def test_numbers_of_an_init_file_are_named(tmp_path, name, change, message):
    path = float_weights(tmp_path, **{name: change})
    with pytest.raises(InputError, match=message):
        trainer.train(small_recipe(), tmp_path / "run", init=path)
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_an_offset_that_no_integer_holds_names_its_layer_and_channel():
    model = restored(finished_run(), "Checkpoint").eval()
    model.get_submodule("layer2.0.conv2").bn.bias.data[3] = 1e20
    message = r"Layer 'layer2\.0\.conv2': offset \(batch norm's bias.*56 bits.*in channel 3"
    with pytest.raises(FoldError, match=message):
        export(model)
    images = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    with torch.inference_mode(), pytest.raises(FoldError, match=message):
        model(images)
    model.get_submodule("layer2.0.conv2").bn.bias.data[3] = 0.0
    model.fc.bias.data[4] = 1e25
    with pytest.raises(FoldError, match=r"Layer 'fc': bias .* in channel 4 must be within .*s32"):
        export(model)


@pytest.mark.parametrize("edge", [2.0**55, -(2.0**55) * (1 + 2**-52), 1e300, INF, NAN])
def test_an_offset_beyond_the_bias_is_never_wrapped(edge):
    affine = Affine(slope=np.ones(2), intercept=np.array([0.0, edge]))
    with pytest.raises(FoldError, match=r"Layer 'c': offset .* in channel 1"):
        fold_requant(affine, step=1.0, out=IntFormat(width=8), bounds=(0, 1), name="c")


def test_nan_is_traced_to_its_layer():
    model = restored(finished_run(), "Checkpoint")
    model.train()
    model.get_submodule("layer1.0.conv1").bn.bias.data[0] = NAN
    with pytest.raises(NotANumberError, match=r"Layer 'layer1\.0\.conv1': values must be finite"):
        model(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))
    assert model.mode is Mode.FAKEQUANT
    model.get_submodule("layer2.0.conv2").weight.data[0] = NAN
    model.set_mode(Mode.FLOAT)
    for conv in model.convolutions():
        if hasattr(conv.quantizer, "frozen"):
            conv.quantizer.frozen.fill_(False)
    with pytest.raises(NotANumberError, match=r"Layer 'layer2\.0\.conv2': weights must be finite"):
        model.update_codebooks()
