"""The mutation check: the peer's defects put back into our code one by one, and the mutation score of its core."""
