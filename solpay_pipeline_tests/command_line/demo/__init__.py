"""The demo: its folder, its books, and the whole of it played once."""
