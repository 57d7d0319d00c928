"""Our own tables: what was signed and what became of it, what could not be done, and the events to tell."""
