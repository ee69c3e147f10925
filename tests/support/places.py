"""Folders that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"
SUPPORT = ROOT / "tests" / "support"
GATES = ROOT / "gates" / "tech"
ZOO = ROOT / "zoo"

ROOMS = (
    "spec", "adq", "sim", "rtl", "cosim", "cost", "exchange", "gates", "flows", "studies",
    "verify", "adqhw",
)  # fmt: skip
"""Folders of source."""
PAGES = [
    ROOT / "README.md",
    *sorted(
        page
        for folder in ("docs", "spec", "zoo", "verify")
        for page in (ROOT / folder).rglob("*.md")
    ),
]
"""Pages for people, without the CHANGELOG, which names files of former versions."""
