"""Threshold and requant unit as gates."""
