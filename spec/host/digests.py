"""SHA-256 of data and texts: names of cached results, contents of manifests."""

import hashlib
import json
from collections.abc import Mapping


def json_digest(value: object) -> str:
    """Of any JSON value; dictionaries in any order."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def text_digests(texts: Mapping[str, str]) -> dict[str, str]:
    """Of every text, by its name."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
