"""A number that changes when any file of the simulator does.

Numba's disk cache notices a change of the file of the compiled function only. Entry points close
over this number, and closure variables are part of the cache's key: no stale kernel survives an
edit or an upgrade. (Processor and its features are part of the key by themselves.)
"""

import hashlib
from pathlib import Path


def digest_of(folder: Path) -> int:
    """56 bits of SHA-256 over the Python files below `folder`."""
    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        sha.update(path.read_bytes())
    return int.from_bytes(sha.digest()[:7], "little")


DIGEST = digest_of(Path(__file__).parents[1])
