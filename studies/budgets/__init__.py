"""Bit budgets: accuracy against energy, break-even."""
