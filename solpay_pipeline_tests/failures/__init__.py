"""Whatever breaks, each row of the fault table ends with balanced books."""
