"""Ablation of the recipe."""
