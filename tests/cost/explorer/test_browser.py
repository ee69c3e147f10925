"""The page in Chromium: its figures are those of the tables, every control acts, keys suffice."""

import json
import random
import shutil
from pathlib import Path

import needs
import pytest
from explorer_pages import (
    choices,
    data_of,
    estimated,
    random_choice,
    random_setting,
    subjects,
    words_of,
)
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.explorer.data import page_data
from adqhw.cost.explorer.page import write_page
from adqhw.spec import InputError

ZOO = Path(__file__).parents[3] / "zoo"
READY = "document.documentElement.dataset.ready === 'yes'"


def chromium():
    """The system's browser, for Playwright."""
    needs.package("playwright", "pip install 'adqhw[dev]'")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        needs.absent("chromium", "chromium must be installed, not absent: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


def opened(browser, path, **options):
    """The page from a file; any error on it, or any request, fails the test."""
    tab = browser.new_context(**options).new_page()
    tab.on("pageerror", lambda error: pytest.fail(f"error on the page: {error}"))
    tab.on("request", lambda sent: sent.url.startswith("file:") or pytest.fail(sent.url))
    tab.goto(path.as_uri())
    tab.wait_for_function(READY)
    return tab


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("browser") / "page.html"
    few = choices(micros=("decode", "uniform", "uniform:4"))
    gates = [by_gates(), {**by_gates(1), "library": "of 130 nm"}]
    write_page(path, page_data(subjects(), few, base=0, gates=gates))
    return path


def by_gates(other=None):
    """A record as `explore --gates` makes it, of the first program on the first array; other: the
    position of the technology of its library's node, where only such a one may be used."""
    band = {"low": 90.0, "expected": 100.0, "high": 110.0}
    layer = {"name": "mac0", "cycles": 7, "energy_pj": band, "standing_pj": 25.0, "pj_per_mac": 0.5}
    gates = {"layers": [layer], "energy_pj": band, "area_um2": 1234.0}
    return {
        "program": 0, "micro": "decode", "array": 0, "library": "made up", "files": ["a b.toml"],
        "technology": other,
        "images": 2, "gates": gates, "output_stage": None, "warnings": ["lanes are wider"],
        "paths": [{"name": "gates of decode", "ns": 2.5}], "placed": False,
    }  # fmt: skip


def figures(tab, setting, choice):
    """A setting by layer and at the clock, as the page computes it under `random_choice`."""
    script = """([setting, choice]) => {
        window.explorer.set({ memory: { batch: 1, bandwidth: 64 }, ...choice });
        const result = window.explorer.cost(setting), at = result.operation ?? null;
        if (result.refused) return { refused: result.refused };
        return {
          area: result.totalArea.expected,
          layers: result.layers.map(({ cycles, energy, area }) => ({ cycles, energy, area })),
          operation: at && {
            latency_ms: at.latency, dram_ms: at.dram, frames_per_second: at.perSecond,
            watts: at.watts, watts_by: at.by, tops: at.tops, tops_per_watt: at.perWatt,
            tops_per_watt_without_dram: at.perWattChip, slack_ns: at.slack,
            paths_ns: Object.fromEntries(at.paths.map((p) => [p.name, p.ns])) } };
    }"""
    return tab.evaluate(script, [setting, choice])


def same(found, wanted):
    """found: of `figures`. wanted: what `estimate --json` prints."""
    for ours, theirs in zip(found["layers"], wanted["layers"], strict=True):
        assert ours["cycles"] == theirs["cycles"]
        assert ours["energy"] == pytest.approx(theirs["energy_pj"], rel=1e-12)
        assert ours["area"] == pytest.approx(theirs["area_um2"], rel=1e-12)
    assert found["area"] == pytest.approx(wanted["total"]["area_um2"], rel=1e-12)
    at = wanted.get("operation")
    assert (found["operation"] is None) == (at is None)
    for key, value in (found["operation"] or {}).items():
        if key == "watts_by":
            assert set(value) == set(at[key])
            for part, watts in value.items():
                assert watts == pytest.approx(at[key][part], rel=1e-12)
        else:
            assert value == (None if at[key] is None else pytest.approx(at[key], rel=1e-9))


def refused_as(found, error):
    """The page says what the command says."""
    assert found["refused"] in str(error)


def test_the_page_in_a_browser(browser, small):
    tab = opened(browser, small, color_scheme="dark")
    assert tab.get_attribute("html", "data-theme") == "dark"
    data, rng = data_of(small.read_text(encoding="utf-8")), random.Random(0)
    for _ in range(20):
        setting, choice = random_setting(data, rng), random_choice(data, rng)
        found = figures(tab, setting, choice)
        try:
            wanted, at = estimated(data, setting, choice)
        except InputError as error:
            refused_as(found, error)
            continue
        same(found, wanted.to_dict() | ({"operation": at.to_dict()} if at else {}))
    tab.goto("about:blank")
    tab.goto(small.as_uri())  # as it is opened, without a setting in its address
    tab.wait_for_function(READY)
    by_hand_and_back(tab)
    found_in_three_steps(tab)
    all_is_named(tab)
    gates_where_there_are_some(tab)
    network_opens_a_layer(tab)
    what_moves_the_verdict(tab)
    assert float(tab.get_attribute("html", "data-milliseconds")) < 1000


def by_hand_and_back(tab):
    """One layer by hand: the top-1 is marked as predicted, the command says the bits."""
    first = tab.locator("[data-bits]").first
    first.select_option("2")
    assert tab.locator("#program").input_value() == "hand"
    card = tab.locator('[data-figure="Top-1"]')
    assert card.locator(".tag").text_content() in ("predicted", "unknown")
    assert "--bits mac2=2," in tab.locator("#command").text_content()
    assert first.evaluate("(node) => node === document.activeElement")
    before = tab.locator('[data-figure="Energy per image"] [data-value]').get_attribute(
        "data-value"
    )
    tab.select_option("#dram", "0")
    after = tab.locator('[data-figure="Energy per image"] [data-value]').get_attribute("data-value")
    assert before != after
    assert "--dram lpddr4 --clock 200" in tab.locator("#command").text_content()
    assert tab.locator("#bandwidth").input_value() == "512"
    tab.select_option("#dram", "-1")
    assert tab.locator("#bandwidth").input_value() == "64"


def found_in_three_steps(tab):
    """With the keyboard alone: to the floor, a number, Enter."""
    tab.focus("#floor")
    tab.keyboard.press("Control+a")
    tab.keyboard.type("93.5")
    tab.keyboard.press("Enter")
    told = tab.locator("#found").text_content()
    assert told.startswith("w4a")
    assert "94.00 %" in told
    assert tab.locator('[data-figure="Top-1"] .tag').text_content() == "measured"
    tab.focus('[data-layer="mac2"]')
    tab.keyboard.press("Enter")
    assert tab.locator("tr.events table").count() == 1
    assert "weight_read_bit" in tab.locator("tr.events").text_content()


def gates_where_there_are_some(tab):
    """Of this design, or a way to the designs that have them."""
    assert "not characterized" in tab.locator("#gates").text_content()
    tab.locator("#gates summary").click()
    tab.locator("#gates li button").click()
    assert tab.locator("#gates tbody tr").first.locator("td").all_text_contents() == [
        "100 (90.0–110) pJ", "–", "1,234 µm²", "2.50", "2.50",
    ]  # fmt: skip
    told = tab.locator("#gates").text_content()
    assert "made up, of 130 nm: lanes are wider" in told  # once for both
    commands = tab.locator("#gates pre").all_text_contents()
    assert "--tech literature45" in commands[0]
    assert "--tech scaled130" in commands[1]  # of the page's table `estimate` refuses it
    assert "--gates 'a b.toml' --data DIR --images 2 --json" in told


def network_opens_a_layer(tab):
    """Bits stand as text in the picture; a click and a key open the layer below it."""
    for layer, key in (("mac3", None), ("mac5", "Enter")):
        node = tab.locator(f'[data-node="{layer}"]')
        assert " bits, " in node.get_attribute("aria-label")
        assert "bits" in node.locator("text.bits").text_content()
        if key is None:
            node.click()
        else:
            node.focus()
            tab.keyboard.press(key)
        assert tab.evaluate("document.activeElement.dataset.layer") == layer
        assert tab.get_attribute(f'[data-layer="{layer}"]', "aria-expanded") == "true"


def what_moves_the_verdict(tab):
    """The table of assumptions: by swing, with entries and choices, of the memory table in use."""
    tab.select_option("#memories", "0")
    assert "--memories sram45" in tab.locator("#command").text_content()
    tab.click("#sensitivity summary")
    tab.wait_for_selector("#tornado tbody tr")
    names = tab.locator("#tornado tbody th").all_text_contents()
    for name in ("DRAM type", "on-chip memories", "supply", "network from DRAM", "clock"):
        assert name in names
    assert any(name.startswith("sram45: ") for name in names)
    tab.click("#built summary")
    assert tab.locator("#memories-table tbody tr").count() == 3


def all_is_named(tab):
    """Every control has a name for a screen reader, every picture a text."""
    unnamed = tab.evaluate("""() => [...document.querySelectorAll("input, select, button")]
        .filter((n) => !(n.labels?.length || n.textContent.trim() || n.getAttribute("aria-label")))
        .map((n) => n.outerHTML)""")
    assert unnamed == []
    pictures = tab.locator('svg[role="img"]')
    assert pictures.count() == 2
    for number in range(2):
        assert len(pictures.nth(number).get_attribute("aria-label")) > 20


@pytest.mark.slow
def test_every_size_of_window_holds_the_page(browser, small):
    for width, height in ((360, 740), (768, 1024), (1366, 768), (2560, 1440)):
        tab = opened(browser, small, viewport={"width": width, "height": height})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_200_random_settings_of_the_zoo_equal_estimate(browser, tmp_path):
    path, runner = tmp_path / "page.html", CliRunner()
    words = ["explore", str(ZOO), "-o", str(path), "--rows-cols", "8x8,16x16", "--json"]
    done = runner.invoke(app, words)
    assert done.exit_code == 0, done.output
    tab, rng = opened(browser, path), random.Random(19)
    data, counted = data_of(path.read_text(encoding="utf-8")), 0
    for _ in range(200):
        setting, choice = random_setting(data, rng), random_choice(data, rng)
        found = figures(tab, setting, choice)
        told = runner.invoke(app, words_of(data, setting, choice))
        if told.exit_code == 2:
            assert "refused" in found
            continue
        same(found, json.loads(told.stdout))
        counted += 1
    assert counted > 150
    cheapest_in_three_clicks(browser, path)


def cheapest_in_three_clicks(browser, path):
    """As a newcomer: into the field of the floor, its number, Find; nothing else is known."""
    tab = opened(browser, path)
    tab.click("#floor", click_count=2)
    tab.keyboard.type("92")
    tab.click("#find")
    energies = tab.evaluate("""() => {
        const { data, cost } = window.explorer, found = [];
        data.programs.forEach((program, i) => data.micros.forEach((micro) => data.arrays.forEach(
          (_, array) => {
            const result = program.accuracy >= 92 ? cost({ program: i, micro, array }) : {};
            if (result.energy) found.push(result.energy.expected);
          })));
        return found;
    }""")
    assert tab.evaluate("window.explorer.result.energy.expected") == pytest.approx(min(energies))
    assert "92." in tab.locator("#found").text_content()
