"""The clocks of this machine, for our own rows and waits. What decides about money is the chain's time."""

import asyncio
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def loop_seconds() -> float:
    """The running event loop's clock, by which all its sleeps and timeouts are measured; in seconds."""
    return asyncio.get_running_loop().time()
