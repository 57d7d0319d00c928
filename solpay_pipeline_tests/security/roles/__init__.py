"""Which process may do what, by the keys that its environment holds."""
