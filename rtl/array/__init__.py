"""The lane array that holds weights."""
