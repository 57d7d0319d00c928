"""Keys rotate without an outage, remote signers sign, and spending keeps its limits."""
