"""Folders that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"
SUPPORT = ROOT / "tests" / "support"
GATES = ROOT / "gates" / "tech"
ZOO = ROOT / "zoo"

ROOMS = (
    "spec", "adq", "sim", "rtl", "cosim", "cost", "gates", "flows", "studies", "verify", "adqhw",
)  # fmt: skip
"""Folders of source."""
