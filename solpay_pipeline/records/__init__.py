"""The peer's tables: read by keyset pages, changed by compare-and-set, their keys opened one at a time."""
