"""Cards of the zoo: what is committed is what the command writes, and each fact has its source."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from places import ROOT
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.commands.bench import cards as command
from adqhw.flows.engines import run_in_steps
from adqhw.spec.errors import InputError
from adqhw.spec.host.reading import read_text
from adqhw.studies.zoo.cards import BEGIN, END, FOLDER, card_text, read, table_text

ZOO = ROOT / "zoo"
NAME = "cifar10_resnet20_w2a2_lsq"


@pytest.fixture(name="one")
def folder_of_one_program(tmp_path):
    shutil.copy(ZOO / f"{NAME}.safetensors", tmp_path)
    text = read_text(ZOO / "runs.toml", "Runs")
    start = text.index(f"[{NAME}]")
    end = text.find("\n[", start)
    (tmp_path / "runs.toml").write_text(text[start : end if end > 0 else None])
    (tmp_path / "README.md").write_text(f"# Before\n{BEGIN}\nold\n{END}\nafter\n")
    return tmp_path


@pytest.mark.parametrize("zoo", [ZOO, ZOO / "networks"], ids=["zoo", "networks"])
def test_the_committed_cards_are_those_of_the_programs(zoo):
    cards = read(zoo)
    assert cards
    page = read_text(zoo / "README.md", "Page")
    assert page.partition(BEGIN)[2].partition(END)[0].strip() == table_text(cards).strip()
    found = {path.stem: path.read_text() for path in (zoo / FOLDER).iterdir()}
    assert found == {card.name: card_text(card, zoo) for card in cards}


def test_a_users_module_has_a_card():
    (card,) = [c for c in read(ZOO / "networks") if c.network.get("model") == "MobileNetV2"]
    text = card_text(card, ZOO / "networks")
    assert "| MobileNetV2, a module, 3x32x32, 10 classes; " in text


def test_a_card_says_what_program_and_run_say(one):
    done = CliRunner().invoke(app, ["bench", "cards", str(one), "--json"])
    assert list(json.loads(done.stdout)) == [NAME]
    card = (one / FOLDER / f"{NAME}.md").read_text()
    for words in ("ResNet-20, option-A", "LSQ, uniform", "hidden layers | 2.00 |", "13,685",
                  "35 of 50,000 images", "0.05, 4e-05", "90.79 % of 10,000", "91.73 %",
                  "dae95a8c4a172200"):  # fmt: skip
        assert words in card, words
    assert "methods.md" not in card  # this folder is in no project that has such a page
    page = (one / "README.md").read_text()
    assert page.startswith(f"# Before\n{BEGIN}\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert f"[{NAME}]({FOLDER}/{NAME}.md)" in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text + "\n[other]\nseed = 0\n", "name only programs that are there"),
        (lambda text: "", "have a section for each, see 'cifar10_resnet20_w2a2_lsq'"),
        (lambda text: text.replace("seed = 0\n", ""), "must have all facts of a run, not lack"),
        (lambda text: text + "colour = 1\n", "must have only facts of a run"),
        (lambda text: text.replace("seed = 0", 'seed = "x"'), "must be counts, numbers and texts"),
    ],
)
def test_facts_that_do_not_fit_are_refused_before_anything_is_written(one, change, words):
    runs = one / "runs.toml"
    runs.write_text(change(runs.read_text()))
    with pytest.raises(InputError, match=words):
        command.command(one)
    assert not (one / FOLDER).exists()


def test_a_figure_that_is_not_measured_again_is_refused(one, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    logits = run_in_steps("numba", read(one)[0].program, images).logits
    best = logits.argmax(1)
    for labels, told in ((best, 100.0), ([best[0], 9 - best[1]], 50.0)):
        batch = SimpleNamespace(images=images, labels=np.array(labels))
        monkeypatch.setattr("adqhw.flows.images.read_images", lambda *_, b=batch, **__: b)
        cards = read(one)
        cards[0].program.provenance["accuracy"].update(integer=told, images=2)
        monkeypatch.setattr(command, "read", lambda folder, c=cards: c)
        command.command(one, data=one)
        cards[0].program.provenance["accuracy"].update(integer=12.5)
        with pytest.raises(InputError, match=f"its export, 12.50 %, not {told:.2f} %"):
            command.command(one, data=one)
