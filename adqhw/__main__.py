"""`python -m adqhw`."""

from .cli import main

main()
