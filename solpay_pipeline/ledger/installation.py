"""What this ledger is bound to: one cluster, and the receivers at which money is home.

Settings say where money is to go; the ledger says where it may go. A settings file of another cluster, or another
receiver in it, moves nothing until an operator has said so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.base.errors import NeedsOperator
from solpay_pipeline.ledger import audit
from solpay_pipeline.ledger.audit import Action
from solpay_pipeline.ledger.tables import cluster, receiver


class AnotherCluster(NeedsOperator):
    """The settings' endpoints serve another cluster than the one that this ledger tells of."""


class NotAllowed(NeedsOperator):
    """An address cannot be allowed or revoked; the text says why."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """An address at which money is home, from `effective_at` until it is revoked."""

    address: Pubkey
    allowed_at: datetime
    effective_at: datetime
    revoked_at: datetime | None

    def takes_money(self, now: datetime) -> bool:
        """Tell whether money may be sent to it."""
        return self.revoked_at is None and self.effective_at <= now


def bound_cluster(connection: Connection) -> str | None:
    """The genesis hash of the cluster, None before the first run."""
    return connection.execute(sa.select(cluster.c.genesis_hash)).scalar()


def bind_cluster(connection: Connection, genesis_hash: str, now: datetime) -> None:
    """Bind an unbound ledger to a cluster. Raises `AnotherCluster` where it is bound to another one."""
    bound = bound_cluster(connection)
    if bound is None:
        connection.execute(sa.insert(cluster), {"genesis_hash": genesis_hash, "bound_at": now})
        audit.append(connection, Action.BIND_CLUSTER, genesis_hash, "first use", now)
    elif bound != genesis_hash:
        raise AnotherCluster(
            f"this database tells of the cluster {bound}, but SOLPAY_RPC_URLS serves {genesis_hash}: put the right "
            "settings back; a test network that was reset is bound again by `solpay init --rebind-cluster`"
        )


def rebind_cluster(connection: Connection, genesis_hash: str, reason: str, now: datetime) -> None:
    """Bind to another cluster: a local or test network that was reset."""
    connection.execute(sa.delete(cluster))
    connection.execute(sa.insert(cluster), {"genesis_hash": genesis_hash, "bound_at": now})
    audit.append(connection, Action.REBIND_CLUSTER, genesis_hash, reason, now)


def receivers(connection: Connection) -> list[Receiver]:
    """All that were ever allowed, the oldest first."""
    rows = connection.execute(sa.select(receiver).order_by(receiver.c.allowed_at, receiver.c.address))
    return [
        Receiver(Pubkey.from_string(row.address), row.allowed_at, row.effective_at, row.revoked_at)
        for row in rows
    ]


def allow(
    connection: Connection, address: Pubkey, reason: str, now: datetime, *, delay: timedelta = timedelta(0)
) -> None:
    """Let money be sent to an address, once the delay is over. Raises `NotAllowed` where it is allowed already."""
    known = {one.address: one for one in receivers(connection)}.get(address)
    if known is not None and known.revoked_at is None:
        raise NotAllowed(f"{address} is allowed already, since {known.allowed_at:%Y-%m-%d %H:%M} UTC")
    values = {"allowed_at": now, "effective_at": now + delay, "revoked_at": None}
    if known is None:
        connection.execute(sa.insert(receiver), {"address": str(address), **values})
    else:
        connection.execute(sa.update(receiver).where(receiver.c.address == str(address)).values(values))
    audit.append(connection, Action.ALLOW_RECEIVER, str(address), reason, now)


def revoke(connection: Connection, address: Pubkey, reason: str, now: datetime) -> None:
    """Send nothing to an address any more. Raises `NotAllowed` where it is not allowed."""
    changed = connection.execute(
        sa.update(receiver)
        .where(receiver.c.address == str(address), receiver.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    if changed.rowcount == 0:
        raise NotAllowed(f"{address} is not among the allowed receivers")
    audit.append(connection, Action.REVOKE_RECEIVER, str(address), reason, now)
