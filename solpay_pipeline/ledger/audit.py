"""Who did what to the installation: append-only, each entry with the hash of the one before.

To change, remove or add an entry breaks the chain. To rewrite all of it changes the head, which travels in events and
metrics that cannot be taken back.
"""

import getpass
import hashlib
import json
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from solpay_pipeline.base.errors import Passing
from solpay_pipeline.ledger.tables import audit_entry

BEGINNING = "0" * 64
"""The hash before the first entry."""


class Action(StrEnum):
    """What can be done to an installation."""

    BIND_CLUSTER = "bind_cluster"
    REBIND_CLUSTER = "rebind_cluster"
    ALLOW_RECEIVER = "allow_receiver"
    REVOKE_RECEIVER = "revoke_receiver"


class WroteAtOnce(Passing):
    """Another process has written an entry at the same moment; the caller's transaction is void."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry, as stored. `subject` is what it was done to, `operator` the account it was done under."""

    id: int
    at: datetime
    action: str
    subject: str
    reason: str
    operator: str
    host: str
    previous_hash: str
    hash: str

    def as_json(self) -> dict[str, object]:
        """Plain JSON."""
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(frozen=True, slots=True)
class Verified:
    """`broken` names the entries that do not fit, in words; `head` is the hash of the last one."""

    entries: int
    head: str
    broken: tuple[str, ...]


def append(connection: Connection, action: Action, subject: str, reason: str, now: datetime) -> str:
    """Write an entry in the caller's transaction; returns the new head. Raises `WroteAtOnce`."""
    named = {
        "at": now.astimezone(UTC).isoformat(),
        "action": action.value,
        "subject": subject,
        "reason": reason,
        "operator": _operator(),
        "host": socket.gethostname()[:120],
    }
    previous = head(connection)
    digest = _hash(previous, named)
    try:
        connection.execute(
            sa.insert(audit_entry), {**named, "at": now, "previous_hash": previous, "hash": digest}
        )
    except IntegrityError as error:
        raise WroteAtOnce(
            "another process has just written to the audit trail: run the command again"
        ) from error
    return digest


def head(connection: Connection) -> str:
    """The hash of the newest entry."""
    newest = sa.select(audit_entry.c.hash).order_by(audit_entry.c.id.desc()).limit(1)
    return str(connection.execute(newest).scalar() or BEGINNING)


def entries(connection: Connection) -> list[AuditEntry]:
    """All entries, oldest first."""
    return [AuditEntry(*row) for row in connection.execute(sa.select(audit_entry).order_by(audit_entry.c.id))]


def verify(connection: Connection, known_head: str | None = None) -> Verified:
    """Check that every entry is as it was written and none is missing.

    `known_head` is one from an earlier event.
    """
    broken = []
    previous = BEGINNING
    hashes = {previous}
    found = entries(connection)
    for one in found:
        if one.previous_hash != previous:
            broken.append(
                f"before entry {one.id} ({one.action} {one.subject}) an entry is missing or was added"
            )
        named = {
            "at": one.at.astimezone(UTC).isoformat(),
            "action": one.action,
            "subject": one.subject,
            "reason": one.reason,
            "operator": one.operator,
            "host": one.host,
        }
        if one.hash != _hash(one.previous_hash, named):
            broken.append(f"entry {one.id} ({one.action} {one.subject}) is not as it was written")
        previous = one.hash
        hashes.add(previous)
    if known_head is not None and known_head not in hashes:
        broken.append(
            f"the head {known_head} is of no entry: the trail was rewritten or cut after it was reported"
        )
    return Verified(len(found), previous, tuple(broken))


def _hash(previous: str, named: dict[str, str]) -> str:
    return hashlib.sha256((previous + json.dumps(named, sort_keys=True)).encode()).hexdigest()


def _operator() -> str:
    """The account of the operating system; a container may have none."""
    try:
        return getpass.getuser()[:120]
    except (KeyError, OSError):
        return "unknown"
