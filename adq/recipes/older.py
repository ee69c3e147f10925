"""Recipes of files written before a field was there: what they do not say was the rule then."""

from typing import Any

METHOD = {
    "levels": "reserved",
    "level_gradient": False,
    "clip": False,
    "early_rounding": False,
    "dead": "keep",
}
"""Codebooks before there were tables of 2^b levels."""
QUANT = {"decay": 0.99}


def completed(record: object) -> object:
    """The record of a recipe with what it leaves out of its quantizers; others as they are."""
    quant = record.get("quant") if isinstance(record, dict) else None
    method = quant.get("method", {}) if isinstance(quant, dict) else None
    if not isinstance(record, dict) or not isinstance(quant, dict) or not isinstance(method, dict):
        return record
    whole: dict[str, Any] = {**QUANT, **quant, "method": {**METHOD, **method}}
    return {**record, "quant": whole}
