"""A good setting means one thing; a bad, missing or misspelt one stops the start."""
