"""The wall clock, for our own rows. What decides about money is the chain's time."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)
