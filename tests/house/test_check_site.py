"""The check of the links of the site: a missing file, a missing anchor, links to other sites."""

import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from places import ROOT


@pytest.fixture
def check():
    spec = spec_from_file_location("check_site", ROOT / "tools" / "check_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(folder, name, body):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"<!doctype html><title>t</title>{body}")


def test_broken_links_are_found(check, tmp_path, capsys):
    write(tmp_path, "index.html", '<h1 id="a b">t</h1><a href="sub/page.html#there">x</a>')
    write(
        tmp_path,
        "sub/page.html",
        '<p id="there"><a href="../index.html#a%20b"></a><a href="#none"></a>'
        '<img src="gone.png"><a href="https://example.org/x"></a>',
    )
    faults, external = check.broken(tmp_path)
    assert faults == ["sub/page.html -> #none", "sub/page.html -> gone.png"]
    assert external == {"https://example.org/x": ["sub/page.html"]}
    assert check.main(str(tmp_path)) == 1
    assert "broken link: sub/page.html -> #none" in capsys.readouterr().err
    assert "https://example.org/x" in (tmp_path / "external-links.txt").read_text()


def test_an_empty_site_is_a_fault(check, tmp_path):
    assert check.main(str(tmp_path)) == 1


def test_a_whole_site_passes(check, tmp_path):
    write(tmp_path, "index.html", '<a href="index.html"></a>')
    assert check.main(str(tmp_path)) == 0
    assert "check_site" not in sys.modules
