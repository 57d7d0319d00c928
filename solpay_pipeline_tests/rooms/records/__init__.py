"""The peer's tables are read as they are, and changed by compare-and-set alone."""
