"""Energy of switching, and OpenSTA beside it."""
