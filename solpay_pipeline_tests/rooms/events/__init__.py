"""Every event arrives at least once, in order for each payment, with the body that is documented."""
