"""Energy and area from gate netlists, and models fitted to them."""
