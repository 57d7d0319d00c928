"""Pure rules: what is a payment worth, what follows for its wallet. No table, no RPC, no clock of its own."""
