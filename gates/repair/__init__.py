"""Timing repair of placed netlists: cells resized, buffers inserted, until a period is met."""
