"""The wall clock, for our own rows. Decisions about money use the chain's time."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)
