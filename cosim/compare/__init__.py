"""RTL against the golden interpreter: first divergence, reproducers, waves."""
