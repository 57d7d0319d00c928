"""Our own tables: what was signed and how it ended, what could not be done, and the events to send."""
