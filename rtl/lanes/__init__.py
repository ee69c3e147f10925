"""The lane array and its micro-architectures."""
