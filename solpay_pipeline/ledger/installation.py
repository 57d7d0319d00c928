"""What this ledger is bound to: one cluster, and the receivers at which money is home.

Settings say where money is to go; the ledger says where it may go. A settings file of another cluster, or another
receiver in it, moves nothing until an operator has said so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from solpay_pipeline.base.errors import NeedsOperator
from solpay_pipeline.ledger import audit
from solpay_pipeline.ledger.audit import Action, WroteAtOnce
from solpay_pipeline.ledger.tables import cluster, receiver

FIRST_USE = "first use"
"""The reason of what is bound without an operator's word."""


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
        """Tell whether money may be sent to it: without a delay at once, however late another machine's clock is."""
        return self.revoked_at is None and (self.effective_at == self.allowed_at or self.effective_at <= now)

    def was_home(self, now: datetime) -> bool:
        """Tell whether it ever took money: not where it was revoked before its delay was over."""
        return self.takes_money(now) or (self.revoked_at is not None and self.effective_at <= self.revoked_at)

    def as_json(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "address": str(self.address),
            "allowed_at": self.allowed_at.isoformat(),
            "effective_at": self.effective_at.isoformat(),
            "revoked_at": None if self.revoked_at is None else self.revoked_at.isoformat(),
        }


def bound_cluster(connection: Connection) -> str | None:
    """The genesis hash of the cluster, None before the first run."""
    return connection.execute(sa.select(cluster.c.genesis_hash)).scalar()


def began_at(connection: Connection) -> datetime | None:
    """When the ledger was first bound to a cluster, None before."""
    return connection.execute(sa.select(cluster.c.bound_at)).scalar()


def check_cluster(connection: Connection, genesis_hash: str) -> None:
    """Raises `AnotherCluster` where the ledger is bound to another one."""
    bound = bound_cluster(connection)
    if bound not in (None, genesis_hash):
        raise AnotherCluster(
            f"this database tells of the cluster {bound}, but SOLPAY_RPC_URLS serves {genesis_hash}: put the right "
            "settings back; a test network that was reset is bound again by `solpay init --rebind-cluster`"
        )


def bind_cluster(connection: Connection, genesis_hash: str, now: datetime) -> None:
    """Bind an unbound ledger to a cluster.

    Raises `AnotherCluster` where it is bound to another one, `WroteAtOnce`.
    """
    check_cluster(connection, genesis_hash)
    if bound_cluster(connection) is None:
        _insert(connection, cluster, {"genesis_hash": genesis_hash, "bound_at": now})
        audit.append(connection, Action.BIND_CLUSTER, genesis_hash, FIRST_USE, now)


def rebind_cluster(connection: Connection, genesis_hash: str, reason: str, now: datetime) -> None:
    """Bind to another cluster: a local or test network that was reset. Raises `WroteAtOnce`."""
    connection.execute(sa.delete(cluster))
    _insert(connection, cluster, {"genesis_hash": genesis_hash, "bound_at": now})
    audit.append(connection, Action.REBIND_CLUSTER, genesis_hash, reason, now)


def receivers(connection: Connection) -> list[Receiver]:
    """All that were ever allowed, the oldest first."""
    rows = connection.execute(sa.select(receiver).order_by(receiver.c.allowed_at, receiver.c.address))
    return [
        Receiver(Pubkey.from_string(row.address), row.allowed_at, row.effective_at, row.revoked_at)
        for row in rows
    ]


def is_revoked(connection: Connection, address: Pubkey) -> bool:
    """Whether money must not be sent to an address any more."""
    found = sa.select(receiver.c.address).where(
        receiver.c.address == str(address), receiver.c.revoked_at.is_not(None)
    )
    return connection.execute(found).first() is not None


def allow(
    connection: Connection, address: Pubkey, reason: str, now: datetime, *, delay: timedelta = timedelta(0)
) -> str:
    """Let money be sent to an address, once the delay is over. Returns the head of the audit trail.

    Raises `NotAllowed` where it is allowed already, `WroteAtOnce`.
    """
    known = {one.address: one for one in receivers(connection)}.get(address)
    if known is not None and known.revoked_at is None:
        raise NotAllowed(
            f"{address} is allowed already: money goes there from {known.effective_at:%Y-%m-%d %H:%M} UTC on; "
            "for another time, revoke it first"
        )
    values = {"allowed_at": now, "effective_at": now + delay, "revoked_at": None}
    if known is None:
        _insert(connection, receiver, {"address": str(address), **values})
    else:
        connection.execute(sa.update(receiver).where(receiver.c.address == str(address)).values(values))
    return audit.append(connection, Action.ALLOW_RECEIVER, str(address), reason, now)


def revoke(connection: Connection, address: Pubkey, reason: str, now: datetime) -> str:
    """Send nothing to an address any more. Returns the head of the audit trail.

    Raises `NotAllowed` where it is not allowed, `WroteAtOnce`.
    """
    changed = connection.execute(
        sa.update(receiver)
        .where(receiver.c.address == str(address), receiver.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    if changed.rowcount == 0:
        raise NotAllowed(f"{address} is not among the allowed receivers")
    return audit.append(connection, Action.REVOKE_RECEIVER, str(address), reason, now)


def _insert(connection: Connection, table: sa.Table, row: dict[str, object]) -> None:
    try:
        connection.execute(sa.insert(table), row)
    except IntegrityError as error:
        raise WroteAtOnce("another process has just done the same: run the command again") from error
