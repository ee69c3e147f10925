"""Before anything imports torch: its threads sleep at a barrier instead of spinning.

A spinning thread keeps the core from the very thread it waits for when something else runs on the
machine: tests of a second then take minutes.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
