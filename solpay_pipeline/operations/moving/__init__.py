"""Moving: decide, submit, wait, look again."""
