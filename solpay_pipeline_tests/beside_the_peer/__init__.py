"""We run beside the unmodified django-solana-payments, and in place of it."""
