"""What the pipeline reads from Solana and sends to it. Knows RPC, transactions and accounts; knows no table."""
