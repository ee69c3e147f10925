"""Factories of users' modules: where they are looked up, arguments, and refusals in one line."""

import sys

import pytest
import torch
from torch import nn

from adqhw.adq.models import factory
from adqhw.spec.errors import InputError

SOURCE = """
from os import system
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=10, wide=False, name=""):
        super().__init__()
        self.fc = nn.Linear(4 if wide else 2, classes)
        self.name = name
        print("made")

def broken():
    return 1 // 0

def nothing():
    return None

def empty():
    return nn.ReLU()

made = Net()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "nets_of_mine.py").write_text(SOURCE)
    (tmp_path / "package_of_mine").mkdir()
    (tmp_path / "package_of_mine" / "__init__.py").write_text(SOURCE)
    (tmp_path / "package_of_mine" / "bad.py").write_text("x = 1\nimport absent_module_of_mine\n")
    (tmp_path / "package_of_mine" / "worse.py").write_text("x = 1\ndef (:\n")
    yield tmp_path
    for name in [name for name in sys.modules if "of_mine" in name]:
        del sys.modules[name]


def make(text, *arguments, trusted=False, seed=0):
    return factory.make(text, arguments, seed=seed, trusted=trusted)


@pytest.mark.parametrize("text", ["nets_of_mine.py:Net", "nets_of_mine:Net", "package_of_mine:Net"])
def test_a_class_is_found_from_the_current_folder(here, capsys, text):
    made = make(text, "classes=7", "wide=True", "name=x y")
    assert made.fc.weight.shape == (7, 4)
    assert made.name == "x y"
    assert capsys.readouterr().out == ""  # standard output is for results


def test_weights_are_those_of_the_seed_and_the_callers_generator_stays(here):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, two, other = (make("nets_of_mine.py:Net", seed=seed).fc.weight for seed in (3, 3, 4))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_edited_file_is_read_again(here):
    assert make("nets_of_mine.py:Net").fc.weight.shape == (10, 2)
    (here / "nets_of_mine.py").write_text(SOURCE.replace("classes=10", "classes=11"))
    assert make("nets_of_mine.py:Net").fc.weight.shape == (11, 2)


REFUSED = [
    ("nets_of_mine.py", r"must be package\.module:name or file\.py:name"),
    ("nets of mine:Net", r"must be package\.module:name"),
    (":Net", r"must be package\.module:name"),
    ("nets_of_mine.py:Absent", "class or function .* not absent"),
    ("nets_of_mine.py:made", "class or function .* not Net"),
    ("nets_of_mine.py:broken", r"ZeroDivisionError: .*\(.*nets_of_mine\.py, line 14\)"),
    ("nets_of_mine.py:nothing", r"make a torch\.nn\.Module, not NoneType"),
    ("nets_of_mine.py:empty", "with parameters, not without"),
    (
        "package_of_mine.bad:Net",
        r"be importable, not fail with ModuleNotFoundError.*bad\.py, line 2",
    ),
    ("package_of_mine/worse.py:Net", r"SyntaxError.*worse\.py, line 2"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
@pytest.mark.parametrize("trusted", [False, True])
def test_what_is_wrong_is_named_in_one_line(here, text, message, trusted):
    with pytest.raises(InputError, match=message) as caught:
        make(text, trusted=trusted)
    assert "\n" not in str(caught.value)


def test_arguments_are_checked(here):
    with pytest.raises(InputError, match="argument must be key=value, not 'classes'"):
        make("nets_of_mine.py:Net", "classes")
    with pytest.raises(InputError, match="make a module, not fail with TypeError"):
        make("nets_of_mine.py:Net", "deep=3")


@pytest.mark.parametrize("text", ["os:system", "torch.nn:Linear", "/nets.py:Net", "../x.py:Net"])
def test_a_name_from_a_file_leads_into_the_current_folder_only(here, text):
    with pytest.raises(InputError, match="must be a module in the current folder"):
        make(text, "command=touch ran")
    assert not (here / "ran").exists()


def test_a_name_from_a_file_calls_only_what_the_module_defines(here):
    with pytest.raises(InputError, match=r"must be defined in nets_of_mine itself"):
        make("nets_of_mine:system", "command=touch ran")
    assert not (here / "ran").exists()
    linear = make("torch.nn:Linear", "in_features=2", "out_features=3", trusted=True)
    assert isinstance(linear, nn.Linear)
