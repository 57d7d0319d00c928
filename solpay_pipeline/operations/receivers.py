"""An operator's word on where money may go: kept in the ledger, and reported, in one database transaction."""

from datetime import datetime, timedelta

from solders.pubkey import Pubkey
from sqlalchemy import Engine

from solpay_pipeline.events.bodies import ReceiverChanged
from solpay_pipeline.ledger import installation, outbox
from solpay_pipeline.ledger.runs import RunRef


def allow_receiver(
    engine: Engine, address: Pubkey, reason: str, now: datetime, *, delay: timedelta = timedelta(0)
) -> datetime:
    """Let money be sent to an address; returns from when on. Raises `NotAllowed`, `WroteAtOnce`."""
    effective_at = now + delay
    with engine.begin() as connection:
        head = installation.allow(connection, address, reason, now, delay=delay)
        body = ReceiverChanged.of(address, "allowed", effective_at, reason, head)
        outbox.append(connection, [body.event()], RunRef("receiver", "allow"), now)
    return effective_at


def revoke_receiver(engine: Engine, address: Pubkey, reason: str, now: datetime) -> None:
    """Send nothing to an address any more. Raises `NotAllowed`, `WroteAtOnce`."""
    with engine.begin() as connection:
        head = installation.revoke(connection, address, reason, now)
        body = ReceiverChanged.of(address, "revoked", now, reason, head)
        outbox.append(connection, [body.event()], RunRef("receiver", "revoke"), now)
