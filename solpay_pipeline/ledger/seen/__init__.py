"""What was read of the chain once and is not read again."""
