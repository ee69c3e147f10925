"""Reader of Liberty cell libraries."""
