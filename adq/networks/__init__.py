"""Layers, networks and their graphs; weights of others."""
