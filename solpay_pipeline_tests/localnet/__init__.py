"""The embedded chain behaves as a validator's RPC does."""
