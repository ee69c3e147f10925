"""Transfers between external memory and the memories of an array that holds weights."""
