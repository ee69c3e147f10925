"""`adqhw bench NAME`."""
