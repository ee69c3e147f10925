"""Energy and area per event, each with its source."""
