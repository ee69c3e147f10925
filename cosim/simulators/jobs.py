"""What a simulator process and its parent agree on; imports nothing, so that it starts at once."""

COUNT = "ADQHW_JOBS"
"""Environment variable: how many jobs were prepared, numbered from 0."""
