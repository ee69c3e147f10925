"""Bits per layer under a budget: sensitivity and exact knapsack."""
