"""The page "Bring your own network" works as printed: its blocks in order, in an empty folder."""

import sys

import pytest
from executed_page import blocks, empty_folder, execute
from places import ROOT

PAGE = ROOT / "docs" / "bring-your-own.md"


@pytest.mark.simulator
@pytest.mark.filterwarnings("ignore:You are using the legacy TorchScript")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.onnx")
def test_the_page_works_as_printed():
    assert {kind for kind, _, _ in blocks(PAGE)} == {"python", "sh"}
    with empty_folder():
        names = execute(PAGE)
    assert names["top1"] > 0.9
    assert names["integer_top1"] > 0.9
    assert names["report"].mismatches == 0
    sys.modules.pop("nets", None)
