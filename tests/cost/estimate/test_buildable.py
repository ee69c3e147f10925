"""Areas beyond any chip are warned of, with the memory and the layer that cause them."""

import json
from importlib import resources

import pytest
from cost_nets import small_net
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.estimate.buildable import RETICLE_MM2, area_warnings
from adqhw.cost.estimate.estimate import Estimate, estimate
from adqhw.cost.technology.technology import load
from adqhw.cost.topologies.assumed import Assumptions, assumed_network
from adqhw.cost.topologies.topology import parse_topology
from adqhw.rtl.program.fit import narrowest, narrowest_lanes
from adqhw.spec.program_file import save

HEADER = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter,"
HEADER += " Strides,\n"
CLASSIFIER = "Layer,M,N,K\nsmall,1,16,16\nfc6,1,65536,65536\n"
PICTURE = f"{HEADER}scan, 40000, 40000, 1, 1, 3, 4, 1,\n"


def cost(text: str, tech: str = "literature45") -> Estimate:
    program = assumed_network(parse_topology(text, "net.csv"), Assumptions())
    return estimate(program, narrowest_lanes(program, rows=16, cols=16), load(tech))


def test_the_memory_and_its_layer_are_named():
    """2^32 codes of 4 bits at 0.65 um2 are some 10,000 mm2."""
    result = cost(CLASSIFIER)
    (text,) = area_warnings(result)
    total = result.total_area.expected / 1e6
    assert total > 10 * RETICLE_MM2
    assert text.startswith(f"{total:,.0f} mm2 cannot be built as one chip")
    weights = result.layers[1].area.expected / 1e6
    assert f"are weight memory, {weights:,.0f} of them for layer '1:fc6'" in text


def test_maps_are_named_where_they_are_the_cause():
    (text,) = area_warnings(cost(PICTURE))
    assert "mm2 are activation memory; its reads" in text


def test_what_can_be_built_and_what_is_no_area_is_not_warned_of():
    program = small_net()
    arch = narrowest(program, rows=16, cols=16)
    assert area_warnings(estimate(program, arch, load("literature45"))) == []
    assert area_warnings(cost(CLASSIFIER, "unit")) == []  # counts of events


@pytest.mark.parametrize(("text", "count"), [(CLASSIFIER, 1), ("Layer,M,N,K\nfc,1,9,9", 0)])
def test_tables_and_json_say_the_same(tmp_path, text, count):
    path = tmp_path / "net.csv"
    path.write_text(text)
    warnings = json.loads(CliRunner().invoke(app, ["estimate", str(path), "--json"]).stdout)
    assert len(warnings["warnings"]) == count
    shown = " ".join(CliRunner().invoke(app, ["estimate", str(path)]).stderr.split())
    assert shown.count("warning: ") == count
    assert all(text in shown for text in warnings["warnings"])


def test_a_sweep_says_it_of_every_design(tmp_path):
    """A technology with enormous bits: every array is warned of by name."""
    save(small_net(), tmp_path / "net.safetensors")
    table = (tmp_path / "large.toml").resolve()
    source = resources.files("adqhw.cost.technology") / "tech" / "literature45.toml"
    head, _, rest = source.read_text().partition("[entry.sram_area]\n")
    _, _, rest = rest.partition("\n")
    value = "value = { low = 1e6, expected = 1e6, high = 1e6 }"
    table.write_text(f"{head}[entry.sram_area]\n{value}\n{rest}".replace("literature45", "large"))
    words = ["sweep", str(tmp_path / "net.safetensors"), "--rows-cols", "4x4,8x8"]
    words += ["--micro", "decode", "--tech", str(table), "--no-report"]
    words += ["-o", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["warnings"]
    assert [text.split(":")[0] for text in found] == [
        "net decode 4x4, large", "net decode 8x8, large",
    ]  # fmt: skip
