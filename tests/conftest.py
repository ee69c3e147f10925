"""Before anything imports torch or builds: what makes the whole suite cheaper.

Threads of torch sleep at a barrier instead of spinning: a spinning thread keeps the core from the
very thread it waits for when something else runs on the machine, and tests of a second take
minutes. Verilator's runtime is compiled once per run, not once per build (`objcache.sh`).
What commands print with --json is compared with their schemas. Hypothesis has no deadline for an
example: beside other work one of a few milliseconds takes longer than its default, and no test here
is about time.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import json_records
from hypothesis import settings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault(
    "OBJCACHE", str(Path(__file__).parent / "support" / "hardware" / "objcache.sh")
)
if "ADQHW_OBJECTS" not in os.environ:  # the processes of pytest-xdist inherit it
    os.environ["ADQHW_OBJECTS"] = tempfile.mkdtemp(prefix="adqhw_objects_")
    atexit.register(shutil.rmtree, os.environ["ADQHW_OBJECTS"], ignore_errors=True)
json_records.watch()
settings.register_profile("adqhw", settings(), deadline=None)  # all else as it is, in CI too
settings.load_profile("adqhw")
