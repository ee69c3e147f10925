"""Names shared by a simulator process and its parent; imports nothing, so that it starts fast."""

COUNT = "ADQHW_JOBS"
"""Environment variable: how many jobs were prepared, numbered from 0."""
