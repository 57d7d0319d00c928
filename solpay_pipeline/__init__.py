"""Keeps one-time Solana wallets healthy and moves a merchant's money home, as a Dagster pipeline."""
