"""Secrets show nowhere, and keys open only what is theirs."""
