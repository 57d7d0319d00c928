"""The house itself: its rooms, its papers, its words."""
