"""Reports add up, audits find what is wrong, metrics say the same."""
