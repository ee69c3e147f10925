"""Files, locks, caches, memory limits and foreign text: what every room uses of the host."""
