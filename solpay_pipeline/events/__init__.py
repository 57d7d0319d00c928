"""Delivers what the outbox holds: at least once, in order per payment, with stable ids."""
