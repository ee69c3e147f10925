"""SHA-256 of data and texts: names of cached results, contents of manifests."""

import hashlib
import json
from collections.abc import Mapping


def json_digest(value: object) -> str:
    """Of any JSON value; dictionaries in any order."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def text_digests(texts: Mapping[str, str | bytes]) -> dict[str, str]:
    """Of every text, as UTF-8, or content by its name."""
    contents = {name: x.encode() if isinstance(x, str) else x for name, x in texts.items()}
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
