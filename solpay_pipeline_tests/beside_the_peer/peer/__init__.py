"""Runs the unmodified peer, django-solana-payments, in a process of its own against a database and an RPC of ours."""
