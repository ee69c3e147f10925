"""Many design points: enumeration, store, workers."""
