"""What every room asks of the host: files, locks, caches, limits of memory, texts of foreigners."""
