"""A process may be killed at any moment; the next run finishes what it began."""
