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
TRAIN = {"winograd": False}
"""Convolutions before there were Winograd's."""


def completed(record: object) -> object:
    """The record of a recipe with what it leaves out; parts that are no records as they are."""
    if not isinstance(record, dict):
        return record
    whole: dict[str, Any] = dict(record)
    quant, train = record.get("quant"), record.get("train")
    method = quant.get("method", {}) if isinstance(quant, dict) else None
    if isinstance(quant, dict) and isinstance(method, dict):
        whole["quant"] = {**QUANT, **quant, "method": {**METHOD, **method}}
    if isinstance(train, dict):
        whole["train"] = {**TRAIN, **train}
    return whole
