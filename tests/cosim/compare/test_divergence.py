"""The first differing code between two engines: layer, index, cycle, both values."""

import json

import numpy as np
import pytest
from programs import every_kind, random_images
from simulators import usable
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cosim.compare import divergence
from adqhw.rtl.program.fit import check_storage, narrowest
from adqhw.spec import InputError, golden
from adqhw.spec.program_file import save


def test_engines_without_a_clock():
    program = every_kind()
    images = random_images(program, 2)
    right = divergence.engine_tensors(golden.run, program, images)
    assert divergence.first_divergence(program, right, right) is None
    wrong = {name: codes.copy() for name, codes in right.items()}
    wrong["mac4"][1, 2, 3, 4] ^= 1
    wrong["mac7"][0, 0, 0, 0] ^= 1  # later in the network, whatever the image
    found = divergence.first_divergence(program, right, wrong)
    assert (found.layer, found.image, found.index) == ("mac4", 1, (2, 3, 4))
    assert (found.a ^ found.b, found.differing, found.cycle) == (1, 1, None)


@pytest.mark.simulator
def test_a_corrupted_threshold_is_named_with_channel_and_cycle(tmp_path):
    usable("verilator")
    program = every_kind()
    arch = narrowest(program, rows=2, cols=2)
    images = random_images(program, 1)
    row = check_storage(arch, program).tables.parameters["mac6"] + 5
    flip = divergence.parse_flip(f"thresholds:{row}:0")
    right = divergence.engine_tensors(golden.run, program, images)
    wrong, traces = divergence.rtl_tensors(program, images, arch, tmp_path, flip)
    found = divergence.first_divergence(program, right, wrong, traces)
    assert (found.layer, found.index[0]) == ("mac6", 5)
    assert found.a == right["mac6"][(0, *found.index)]
    assert found.window[0] < found.cycle < found.window[1]
    assert found.cycle == traces[0]["mac6"].at_cycle[found.index]
    assert _by_command(program, images, f"thresholds:{row}:0", tmp_path) == found.to_dict()


def _by_command(program, images, flip, folder):
    """Output of `adqhw diff --flip`, as a line for people and as JSON."""
    save(program, folder / "p.safetensors")
    np.save(folder / "x.npy", images)
    arguments = ["diff", str(folder / "p.safetensors"), "--input", str(folder / "x.npy")]
    arguments += ["--rows", "2", "--cols", "2", "--flip", flip, "--build", str(folder)]
    said = CliRunner().invoke(app, arguments)
    made = CliRunner().invoke(app, [*arguments, "--json"])
    assert (said.exit_code, made.exit_code) == (1, 1)
    found = json.loads(made.stdout)["divergence"]
    words = " ".join(said.output.split())
    for part in (f"layer {found['layer']!r}", "(channel, y, x)", f"cycle {found['cycle']};"):
        assert part in words
    found["index"], found["window"] = tuple(found["index"]), tuple(found["window"])
    return found


@pytest.mark.parametrize("text", ["thresholds:1", "nowhere:1:2", "thresholds:x:1"])
def test_a_malformed_flip_is_refused(text):
    with pytest.raises(InputError, match="TARGET:ROW:BIT"):
        divergence.parse_flip(text)


def test_a_flip_of_no_row_is_refused():
    with pytest.raises(InputError, match="must name a loaded row"):
        divergence.parse_flip("requants:7:0")([(0, 0, 1)])
