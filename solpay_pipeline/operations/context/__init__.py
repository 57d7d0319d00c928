"""What an operation runs with: whose it is, its options, what it has read of the chain once, its sums."""
