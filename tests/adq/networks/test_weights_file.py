"""Weights of other trainers: wrappers, torch files, half precision; and hostile files."""

import argparse
import collections
import io
import pickle
import warnings
import zipfile

import pytest
import torch
from foreign_weights import foreign_state
from safetensors.torch import save_file

from adqhw.adq.networks.pretrained import load_pretrained, our_state, read_state
from adqhw.adq.networks.weights_file import read_tensors
from adqhw.adq.training.distill import load_teacher
from adqhw.spec.errors import InputError


class Runs:
    """What a hostile pickle does when it is read."""

    def __reduce__(self):
        return (print, ("it ran",))


def prefixed(prefix, state):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def wrap(key):
    return lambda state: {key: state, "epoch": 3, "best_acc1": 91.2, "arch": "resnet8"}


PREFIXES = ["module.", "module.module.", "_orig_mod.", "model.", "model._orig_mod.", "net."]
KEYS = ["state_dict", "model", "net", "model_state_dict", "params_ema"]
SHAPES = {
    **{prefix: lambda s, p=prefix: prefixed(p, s) for prefix in PREFIXES},
    **{key: wrap(key) for key in KEYS},
    "lightning": lambda s: {
        "state_dict": prefixed("model.", s),
        "pytorch-lightning_version": "2.5.0",
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.zeros(3)}}}],
        "hyper_parameters": {"lr": 0.1},
    },
    "nested": lambda s: {"model": {"state_dict": prefixed("module.", s)}, "ema": None},
    "options": lambda s: {"model": s, "args": argparse.Namespace(lr=0.1, data="x"), "epoch": 3},
    "timm": lambda s: {
        "state_dict": s,
        "arch": "r",
        "optimizer": {"state": {0: {"exp": s}}},
        "args": argparse.Namespace(model="resnet8"),
    },
    "attribute": lambda s: {"state_dict": prefixed("model.resnet.", s), "global_step": 3},
    "mmlab": lambda s: {
        "meta": {"epoch": 1},
        "state_dict": {
            (f"head.fc{k[6:]}" if k.startswith("linear") else f"backbone.{k}"): v
            for k, v in s.items()
        },
    },
    "unknown key": lambda s: {"resnet": s, "step": 3},
    "parts of a dictionary": lambda s: {
        "epoch": 1,
        "model": {
            "backbone": {k: v for k, v in s.items() if not k.startswith("linear")},
            "head": {"fc.weight": s["linear.weight"], "fc.bias": s["linear.bias"]},
        },
    },
    "averaged": lambda s: {**prefixed("module.", s), "n_averaged": torch.tensor(7)},
    "parts": lambda s: {k.replace("layer2.", "layer2._orig_mod.", 1): v for k, v in s.items()},
    "ordered": lambda s: collections.OrderedDict(s),
    "dropout": lambda s: {k.replace("linear.", "fc.1."): v for k, v in s.items()},
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("legacy", [False, True])
def test_torch_files_give_the_same_network(tmp_path, name, legacy):
    state = foreign_state(False)
    torch.save(SHAPES[name](state), tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    save_file(state, tmp_path / "w.safetensors")
    found, expected = (read_state(tmp_path / f"w.{kind}") for kind in ("pth", "safetensors"))
    assert set(found) == set(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert load_pretrained(tmp_path / "w.pth", image_size=8).config.widths == (4, 8, 16)


def test_a_part_is_chosen_by_keys_or_by_the_beginning_of_names(tmp_path):
    one, two = foreign_state(False), foreign_state(False)
    two["linear.bias"] = one["linear.bias"] + 1
    path = tmp_path / "w.pth"
    for record, part in (
        ({"model": one, "model_ema": two}, "model_ema"),
        ({"state_dict": {"ema": one, "raw": {"a.b": two}}}, "state_dict.raw.a.b"),
        ({"state_dict": prefixed("q.", one) | prefixed("k.", two)}, "k"),
        ({"state_dict": prefixed("module.q.", one) | prefixed("module.k.", two)}, "module.k."),
        ({"x": {"net": prefixed("q.", one) | prefixed("k.", two)}}, "x.net.k"),
    ):
        torch.save(record, path)
        found = our_state(read_tensors(path, part)[0])
        assert torch.equal(found["fc.bias"], two["linear.bias"])
        with pytest.raises(InputError, match="--init-part"):
            read_tensors(path, "absent")
    save_file(prefixed("k.", two) | prefixed("q.", one), tmp_path / "w.safetensors")
    found = our_state(read_tensors(tmp_path / "w.safetensors", "k")[0])
    assert torch.equal(found["fc.bias"], two["linear.bias"])


def test_dictionaries_that_hold_themselves_or_many_others_end(tmp_path):
    loop: dict = {"epoch": 1}
    loop["model"] = loop
    wide: dict = {str(k): 0 for k in range(60)}
    for _ in range(5):
        wide = {str(k): wide for k in range(60)}
    for record in (loop, wide, {"a": [loop]}):
        torch.save(record, tmp_path / "w.pth")
        with pytest.raises(InputError, match=r"w\.pth"):
            read_tensors(tmp_path / "w.pth")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_of_safetensors_are_taken_off(tmp_path, prefix):
    state = foreign_state(True)
    save_file(prefixed(prefix, state), tmp_path / "w.safetensors")
    assert "layer2.0.downsample.bn.weight" in read_state(tmp_path / "w.safetensors")
    assert load_pretrained(tmp_path / "w.safetensors", image_size=8).config.shortcut == "B"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_single(tmp_path, kind):
    state = {k: v.to(kind) if v.is_floating_point() else v for k, v in foreign_state(True).items()}
    torch.save(state, tmp_path / "w.pt")
    found = read_state(tmp_path / "w.pt")
    assert {t.dtype for t in found.values()} == {torch.float32}
    assert torch.equal(found["fc.bias"], state["fc.bias"].float())


def replaced(**changes):
    def make(state):
        for name, value in changes.items():
            state[name.replace("__", ".")] = value
        return state

    return make


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced(linear__bias=torch.zeros(4)), r"'fc\.bias' must be \(5,\), not \(4,\)"),
        (replaced(extra__weight=torch.zeros(4)), r"not have a tensor 'extra\.weight'"),
        (
            replaced(features__99__weight=torch.zeros(4)),
            r"not have a tensor 'features\.99\.weight'",
        ),
        (replaced(model__linear__bias=torch.zeros(5)), r"one tensor 'fc\.bias', not both 'linear"),
        (replaced(linear__bias=torch.zeros(5, dtype=torch.int8)), r"floating point, not int8"),
        (replaced(linear__bias=torch.full((5,), 1e300, dtype=torch.float64)), r"finite, not inf"),
        (replaced(conv1__weight=torch.zeros(())), r"must be those of a CIFAR ResNet"),
        (replaced(linear__weight=torch.zeros(())), r"must be those of a CIFAR ResNet"),
        (replaced(linear__bias=torch.zeros(5).expand(2, 5)), r"'fc\.bias' must be \(5,\)"),
        (replaced(linear__bias=torch.zeros(1).expand(1 << 40)), r"must be stored whole, not claim"),
        (replaced(linear__bias=torch.zeros(5).to_sparse()), r"stored as plain numbers"),
        (replaced(linear__bias=torch.zeros(5, device="meta")), r"stored as plain numbers|whole"),
        (lambda s: {"weird": {"lr": 1}}, r"not the keys 'weird'"),
        (
            lambda s: {"model": s, "model_ema": s, "epoch": 3},
            r"not model \(\d+ tensors\), model_ema \(\d+ tensors\): choose one.* --init-part model",
        ),
        (
            lambda s: prefixed("encoder_q.", s) | prefixed("encoder_k.", s),
            r"must be those of a CIFAR ResNet",
        ),
        (
            lambda s: prefixed("student.", s) | prefixed("ema.", s),
            r"choose the beginning of its names with --init-part",
        ),
        (lambda s: {}, r"an empty dictionary"),
        (lambda s: [*s.values()], r"dictionary of tensors, not list"),
        (
            lambda s: {"state_dict": s, "config": Runs()},
            r"the name print, which could run",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, message, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(change(foreign_state(False)), tmp_path / "w.ckpt")
    with pytest.raises(InputError, match=message) as caught:
        load_pretrained(tmp_path / "w.ckpt", image_size=8)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)
    assert capsys.readouterr().out == ""


def bomb() -> bytes:
    """An archive as torch's, its one storage deflated: 64 MB in 64 kB."""
    stream = io.BytesIO()
    torch.save({"fc.weight": torch.zeros(1 << 24)}, stream)
    packed = io.BytesIO()
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(packed, "w") as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def torch_bytes(**options) -> bytes:
    stream = io.BytesIO()
    torch.save(foreign_state(False), stream, **options)
    return stream.getvalue()


def hostile():
    """Names and contents that a reader must refuse without running or unpacking them."""
    whole, old = torch_bytes(), torch_bytes(_use_new_zipfile_serialization=False)
    yield "bomb", bomb()
    yield "pickle", pickle.dumps(Runs())
    yield "pickle of tensors", pickle.dumps({"w": torch.zeros(2)})
    yield "zip of text", b"PK\x03\x04" + bytes(100)
    yield "empty", b""
    yield "deep", b"\x80\x02" + b"]" * 100_000 + b"."
    for k in range(12):
        yield f"cut {k}", whole[: len(whole) * k // 12 + 5]
        yield f"cut old {k}", old[: len(old) * k // 12 + 5]


def test_hostile_files_are_refused_in_one_line(tmp_path, capsys):
    path, told = tmp_path / "w.pth", {}
    for name, content in hostile():
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"w\.pth") as caught:
            read_tensors(path)
        told[name] = str(caught.value)
    assert not [text for text in told.values() if "\n" in text or len(text) > 400]
    assert "must have stored members" in told["bomb"]
    assert "tensors and plain values only" in told["pickle"]
    assert capsys.readouterr().out == ""


def test_a_torch_file_teaches(tmp_path):
    from tiny_runs import tiny

    recipe = tiny("digits_resnet8_adq", "distill.mode=kl")
    torch.save(foreign_state(False), tmp_path / "t.pth")
    with pytest.raises(InputError, match=r"--teacher .*t\.pth' must have \(channels, height"):
        load_teacher(recipe, tmp_path / "t.pth")
    torch.save({"state_dict": {"w": torch.zeros(1)}}, tmp_path / "t.pth")
    with pytest.raises(InputError, match=r"--teacher .*t\.pth' must be a network's weights"):
        load_teacher(recipe, tmp_path / "t.pth")
