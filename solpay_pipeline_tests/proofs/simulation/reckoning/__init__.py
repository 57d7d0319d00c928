"""A second reckoning of every wallet from the chain's full record, which shares no code with the product's own."""
