"""The embedded chain: a real SVM behind a real Solana JSON-RPC, for tests, demonstrations and development."""
