"""What the ledger writes is atomic, and is read back as it was written."""
