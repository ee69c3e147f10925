"""Headers of program files that are no plain JSON: one line each, through the command line too."""

import json
import random

import programs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as save_safetensors
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.spec.errors import ContractError, InputError
from adqhw.spec.host.strict_json import MAX_DEPTH, strict_loads
from adqhw.spec.program_file import HEADER, encode, load, to_bytes

BAD = {
    "nan": '{"a": NaN}',
    "infinity": '{"a": [-Infinity]}',
    "overflow": '{"a": 1e999}',
    "surrogate": '{"a": "\\ud800"}',
    "surrogate key": '{"\\udfff": 1}',
    "nested lists": "[" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "one too deep": "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    "digits": '{"a": ' + "9" * 5000 + "}",
    "twice": '{"a": 1, "a": 1}',
    "twice inside": '{"b": [{"a": 1, "a": 2}]}',
    "empty": "",
    "torn": '{"a": "',
    "more": "{} {}",
    "not an object": "[1]",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_headers_are_one_line_and_exit_code_2(kind, tmp_path):
    encoded = encode(programs.every_kind())
    path = tmp_path / "p.safetensors"
    path.write_bytes(save_safetensors(encoded.tensors, metadata={HEADER: BAD[kind]}))
    with pytest.raises(ContractError, match=r"^Program header must"):
        load(path)
    done = CliRunner().invoke(app, ["inspect", str(path)])
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(
            st.characters(exclude_categories=["Cs"])
        ) | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3
        ),
        max_leaves=12,
    )
)  # fmt: skip
@settings(max_examples=100, derandomize=True)
def test_plain_values_are_read_as_json_does(value):
    assert strict_loads(json.dumps(value), "Text") == value


def test_brackets_in_strings_are_not_depth():
    text = json.dumps({"a": "[{" * 1000 + '"\\' * 10})
    assert strict_loads(text, "Text") == json.loads(text)


@pytest.mark.parametrize("count", [200, pytest.param(20_000, marks=pytest.mark.slow)])
def test_flipped_headers_end_in_one_line(count, tmp_path):
    """Any change of the text of a header, its length kept right: refused, or the same program."""
    rng = random.Random(0)
    data = to_bytes(programs.every_kind())
    size = int.from_bytes(data[:8], "little")
    path, digest = tmp_path / "p.safetensors", programs.every_kind().digest
    signs = b'"\\{}[],:0123456789.eE+-NaItrufn \x00\xff\xed\xa0\x80'
    for _ in range(count):
        header = bytearray(data[8 : 8 + size])
        for _ in range(rng.choice((1, 2, 8))):
            place = rng.randrange(len(header))
            match rng.randrange(3):
                case 0:
                    header[place] = rng.choice(signs)
                case 1:
                    header[place:place] = bytes([rng.choice(signs)]) * rng.choice((1, 1, 300))
                case _:
                    del header[place : place + rng.choice((1, 1, 50))]
        path.write_bytes(len(header).to_bytes(8, "little") + bytes(header) + data[8 + size :])
        try:
            program = load(path)
        except InputError as error:
            message = str(error)
            assert "\n" not in message.strip(), message
        else:
            assert program.digest == digest


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F64", "BOOL", "U64", "F4", "X", "C64"])
def test_tensors_of_other_types_are_refused(dtype, tmp_path):
    data = to_bytes(programs.every_kind())
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + size].replace(b'"dtype":"I32"', f'"dtype":"{dtype}"'.encode(), 1)
    path = tmp_path / "p.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])
    with pytest.raises(InputError):
        load(path)
