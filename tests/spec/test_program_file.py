"""Program files: round trip, equal bytes, and every kind of damage refused."""

import numpy as np
import programs
import pytest
from forging import (
    code_outside_codebook,
    falling_thresholds,
    forge,
    overflowing_accumulator,
    set_header,
    set_layer,
)
from safetensors.numpy import save as save_safetensors

from adqhw.spec import golden
from adqhw.spec.errors import InputError
from adqhw.spec.host.files import atomic_path
from adqhw.spec.program_file import encode, load, save


@pytest.fixture(scope="module")
def program():
    return programs.every_kind()


@pytest.fixture(scope="module")
def data(program, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "p.safetensors"
    save(program, path)
    return path.read_bytes()


def test_round_trip_gives_the_same_program_and_the_same_bytes(program, data, tmp_path):
    first, second = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    first.write_bytes(data)
    loaded = load(first)
    assert loaded.digest == program.digest
    assert dict(loaded.provenance) == dict(program.provenance)
    images = programs.random_images(program, 3)
    before, after = golden.run(program, images, "all"), golden.run(loaded, images, "all")
    for name, codes in before.tensors.items():
        np.testing.assert_array_equal(after.tensors[name], codes)
    save(loaded, second)
    assert second.read_bytes() == data


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_round_trip(seed, tmp_path):
    for built in (programs.random_program(seed), programs.random_windows(seed)):
        save(built, tmp_path / "p.safetensors")
        loaded = load(tmp_path / "p.safetensors")
        assert loaded.digest == encode(loaded).digest == built.digest  # kept, and hashed anew
        assert loaded.version == built.version == encode(built).header["contract_version"]


def test_every_truncation_is_refused(data, tmp_path):
    path = tmp_path / "p.safetensors"
    for size in [0, 1, 7, 8, 9, 100, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(InputError):
            load(path)


def test_every_sampled_flipped_bit_is_refused(data, tmp_path):
    path = tmp_path / "p.safetensors"
    rng = np.random.default_rng(0)
    for bit in rng.choice(len(data) * 8, 400, replace=False):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        with pytest.raises(InputError):
            load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_header("contract_version", 2), "contract_version must be 1, the lowest that its"),
        (set_header("contract_version", 3), r"contract_version must be in 1\.\.2, not 3"),
        (set_header("contract_version", 0), r"contract_version must be in 1\.\.2, not 0"),
        (set_header("contract_version", "1"), r"contract_version must be in 1\.\.2, not '1'"),
        (set_header("surprise", 1), "field must be a known one, not 'surprise'"),
        (lambda h, t: h.pop("layers"), "field 'layers' must be present"),
        (set_header("input_shape", [3, 9.5, 9]), "input_shape must hold integers"),
        (set_layer(0, "surprise", 1), "Layer 'mac0': field must be a known one"),
        (set_layer(0, "kind", "conv3d"), "kind must be one of"),
        (set_layer(0, "stride", True), "'stride' must be a list of integers, not True"),
        (set_layer(0, "stride", [1, 1]), "'stride' must be one integer or 2 that differ"),
        (set_layer(0, "stride", [1, 2, 3]), "'stride' must be one integer or 2 that differ"),
        (set_layer(0, "padding", [1, 2]), "'padding' must be one integer or 4 that differ"),
        (set_layer(0, "padding", [1, 0, 0, -1]), "padding must be an integer in 0..65535, not -1"),
        (lambda h, t: h["layers"][0].pop("stride"), "field 'stride' must be present"),
        (set_layer(0, "weights_shape", [4, 3, 3]), "weights must be"),
        (lambda h, t: t.pop("mac0.bias"), "Tensor 'mac0.bias' must be present"),
        (lambda h, t: t.__setitem__("x", np.zeros(1, np.int32)), "tensor must be a known one"),
        (lambda h, t: t.__setitem__("mac0.bias", np.zeros(4)), "int32 or int64"),
        (falling_thresholds, "Layer 'mac3': Thresholds must be non-decreasing"),
        (code_outside_codebook, "Layer 'mac3': weight code must be in 0..0"),
        (overflowing_accumulator, "accumulator must fit 32 bits"),
    ],
)
def test_forged_content_is_refused_with_the_place(program, change, message, tmp_path):
    path = tmp_path / "p.safetensors"
    path.write_bytes(forge(program, change))
    with pytest.raises(InputError, match=message):
        load(path)


def test_checksum_guards_the_provenance(program, tmp_path):
    path = tmp_path / "p.safetensors"
    sealed = encode(program)

    def change(header, tensors):
        header.update(digest=sealed.digest, checksum=sealed.checksum)
        header["provenance"]["seed"] = 99

    path.write_bytes(forge(program, change, seal=False))
    with pytest.raises(InputError, match="checksum"):
        load(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="must be a file"):
        load(tmp_path / "absent.safetensors")
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save_safetensors({"w": np.zeros(3, np.float32)}))
    with pytest.raises(InputError, match="must carry the header"):
        load(path)


def write_half(target):
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("half way")


def test_unwritable_output_leaves_nothing(program, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="Output file must be writable"):
        save(program, tmp_path / "file" / "p.safetensors")
    target = tmp_path / "p.safetensors"
    target.write_text("precious")
    with pytest.raises(RuntimeError, match="half way"):
        write_half(target)
    assert target.read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "p.safetensors"]
