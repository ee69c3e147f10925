"""Cycles: schedules, tiles, closed forms of layers and networks."""
