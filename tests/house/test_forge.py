"""The workflow of a public forge and the pre-commit hooks: they call what is here."""

import re

import needs
import pytest
from places import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"


@pytest.fixture
def yaml():
    needs.package("pyyaml", "pip install 'adqhw[ert]'", "yaml")
    import yaml

    return yaml


@pytest.fixture
def steps(yaml):
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    return [(name, step) for name, job in jobs.items() for step in job["steps"]]


def test_jobs_call_targets_that_the_makefile_has(steps):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {
        target
        for _, step in steps
        for target in re.findall(r"^make ([a-z-]+)", step.get("run", ""), re.MULTILINE)
    }
    assert called == {"lint", "test", "wheel", "docs", "test-slow"}
    assert called <= targets
    paths = {
        path for _, step in steps for path in re.findall(r"tests/\w[\w/]+", step.get("run", ""))
    }
    assert paths
    assert all((ROOT / path).is_dir() for path in paths)


def test_actions_are_pinned(steps):
    used = [step["uses"] for _, step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used)


def test_the_slow_half_runs_weekly_and_nothing_else_does(yaml):
    content = yaml.safe_load(WORKFLOW.read_text())
    assert len(content[True]["schedule"]) == 1  # YAML reads the key `on` as true
    weekly = [name for name, job in content["jobs"].items() if "== 'schedule'" in job["if"]]
    assert weekly == ["slow"]
    rooms = content["jobs"]["slow"]["strategy"]["matrix"]["room"]
    folders = [path.name for path in (ROOT / "tests").iterdir() if any(path.rglob("test_*.py"))]
    assert sorted(rooms) == sorted(folders)


def test_hooks_are_the_pinned_tools(yaml):
    (local,) = yaml.safe_load(HOOKS.read_text())["repos"]
    assert local["repo"] == "local"
    pins = (ROOT / "requirements.txt").read_text()
    for hook in local["hooks"]:
        tool = hook["entry"].split()[0].removeprefix(".venv/bin/")
        package = {"ruff": "ruff", "lint-imports": "import-linter"}[tool]
        assert re.search(rf"^{package}==", pins, re.MULTILINE)
        assert hook["language"] == "system"
