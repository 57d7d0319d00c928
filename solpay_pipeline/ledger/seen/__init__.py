"""What was seen of the shop and the chain, and is remembered."""
