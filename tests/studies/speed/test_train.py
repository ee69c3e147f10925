"""`bench train`: contenders in processes of their own, ratios of neighbouring turns."""

import pytest
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.commands.bench import train as bench_train
from adqhw.commands.bench.train import Setting, _row, run


def test_ratios_are_of_neighbouring_turns():
    turns = {
        "float": [{"seconds": 1.0, "peak_mib": 5.0}, {"seconds": 2.0, "peak_mib": 6.0}],
        "adq": [{"seconds": 1.2, "peak_mib": 7.0}, {"seconds": 2.4, "peak_mib": 7.5}],
    }
    row = _row("adq", None, turns)
    assert row.ratio == pytest.approx(1.2)
    assert (row.seconds, row.peak_mib) == (pytest.approx(1.8), 7.5)
    assert _row("brevitas", "not installed", turns).seconds is None


@pytest.mark.slow
def test_contenders_train_the_same_network(monkeypatch):
    monkeypatch.setattr(bench_train, "CONTENDERS", ("float", "adq"))
    rows = run(Setting(network="resnet20", batch=4, threads=1, amp=False, turns=2, steps=1))
    assert [row.name for row in rows] == ["float", "adq"]
    assert rows[0].ratio == 1.0
    assert all(row.seconds > 0 and row.peak_mib > 0 for row in rows)


def test_unknown_networks_are_refused():
    result = CliRunner().invoke(app, ["bench", "train", "--network", "vgg"])
    assert result.exit_code == 2
    assert "Network must be one of resnet20, resnet18, not 'vgg'" in result.output
