"""Layers, networks and their graphs; weights of other repositories."""
