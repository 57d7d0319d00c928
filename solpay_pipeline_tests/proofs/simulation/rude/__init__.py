"""What the world does that no shop asked for, by kinds that can each be switched on alone."""
