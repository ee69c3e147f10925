"""The page in Chromium: its figures are those of the tables, every control acts, keys suffice."""

import json
import random
import shutil
from pathlib import Path

import needs
import pytest
from explorer_pages import CORNERS, added_up, choices, data_of, random_setting, subjects, words_of
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.explorer.data import page_data
from adqhw.cost.explorer.page import write_page
from adqhw.cost.technology.dram_types import load_dram

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
    few = choices(micros=("decode", "uniform", "uniform:4"), drams=(load_dram("lpddr4"),))
    write_page(path, page_data(subjects(), few, base=0))
    return path


def figures(tab, setting):
    """Totals by layer of a setting, as the page computes them."""
    script = """(setting) => {
        const result = window.explorer.cost(setting);
        if (result.refused) return { refused: result.refused };
        return { area: result.totalArea.expected,
                 layers: result.layers.map((l) => ({ cycles: l.cycles, energy: l.energy })) };
    }"""
    return tab.evaluate(script, setting)


def same(found, wanted):
    if "refused" in wanted:
        assert found == wanted
        return
    for ours, theirs in zip(found["layers"], wanted["layers"], strict=True):
        assert ours["cycles"] == theirs["cycles"]
        for corner in CORNERS:
            assert ours["energy"][corner] == pytest.approx(theirs["energy"][corner], rel=1e-12)
    assert found["area"] == pytest.approx(wanted["area"], rel=1e-12)


def test_the_page_in_a_browser(browser, small):
    tab = opened(browser, small, color_scheme="dark")
    assert tab.get_attribute("html", "data-theme") == "dark"
    data, rng = data_of(small.read_text(encoding="utf-8")), random.Random(0)
    for _ in range(20):
        setting = random_setting(data, rng)
        same(figures(tab, setting), added_up(data, setting))
    by_hand_and_back(tab)
    found_in_three_steps(tab)
    all_is_named(tab)
    tab.click("#sensitivity summary")
    tab.wait_for_selector("#tornado tbody tr")
    assert "sram" in tab.locator("#tornado").text_content()
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
        setting = random_setting(data, rng)
        found, told = figures(tab, setting), runner.invoke(app, words_of(data, setting))
        if told.exit_code == 2:
            assert "refused" in found
            continue
        record = json.loads(told.stdout)
        layers = [{"cycles": x["cycles"], "energy": x["energy_pj"]} for x in record["layers"]]
        same(found, {"layers": layers, "area": record["total"]["area_um2"]})
        counted += 1
    assert counted > 150
