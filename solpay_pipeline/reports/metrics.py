"""The shop's health in Prometheus' text format: what the tables say now, and whether the chain can be asked.

Nothing is kept between two readings and nothing is written. Where the chain cannot be read, its figures are left out
and `solpay_chain_up` is 0; where the database cannot, the error is raised.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.base.database import reading
from solpay_pipeline.chain.rpc.errors import ChainError
from solpay_pipeline.chain.sending.keyless import NOBODY
from solpay_pipeline.ledger import audit, event_log, findings
from solpay_pipeline.ledger.event_log import EventState
from solpay_pipeline.ledger.tables import OPEN, TransactionState, audit_entry, finding, transaction
from solpay_pipeline.lifecycle.terms import ACCEPTED, SWEEPABLE
from solpay_pipeline.operations.context.deployment import Deployment, WatchedShop
from solpay_pipeline.operations.fee_payer import with_known_fee_payer
from solpay_pipeline.records.queries import count_by_state, count_by_status
from solpay_pipeline.records.tables import PeerTables

Sample = tuple[Mapping[str, str], int]


def exposition(deployment: Deployment, now: datetime) -> str:
    """All metrics, one after the other."""
    with reading(deployment.engine) as connection:
        lines = list(_of_tables(connection, deployment.tables, now))
        fee_payer = with_known_fee_payer(deployment, connection).fee_payer.pubkey
    lines += asyncio.run(_of_chain(deployment, fee_payer))
    return "\n".join(lines) + "\n"


def _of_tables(connection: Connection, tables: PeerTables, now: datetime) -> Iterator[str]:
    statuses = count_by_status(connection, tables)
    yield from _metric(
        "solpay_payments", "Payments by status.", [({"status": key}, n) for key, n in statuses.items()]
    )
    states = count_by_state(connection, tables)
    yield from _metric(
        "solpay_wallets", "Wallets by state.", [({"state": key}, n) for key, n in states.items()]
    )
    standing = connection.execute(
        sa.select(finding.c.code, sa.func.count())
        .where(finding.c.standing_key.is_not(None))
        .group_by(finding.c.code)
    )
    yield from _metric(
        "solpay_findings", "Findings that stand, by code.", [({"code": code}, n) for code, n in standing]
    )
    open_ones = connection.execute(
        sa.select(transaction.c.state, sa.func.count())
        .where(transaction.c.state.in_(OPEN))
        .group_by(transaction.c.state)
    )
    yield from _metric(
        "solpay_open_transactions",
        "Transactions of the ledger that are not final, by state.",
        [({"state": state}, n) for state, n in open_ones],
    )
    oldest = connection.scalar(
        sa.select(sa.func.min(transaction.c.created_at)).where(
            transaction.c.state == TransactionState.RECORDED
        )
    )
    yield from _age(
        "solpay_oldest_in_flight_seconds", "Age of the oldest transaction in flight.", oldest, now
    )
    yield from _age(
        "solpay_oldest_sweepable_seconds",
        "Since when the oldest wallet waits to be swept, those set aside left out.",
        _oldest_sweepable(connection, tables),
        now,
    )
    waiting = event_log.counts(connection)
    yield from _metric(
        "solpay_events",
        "Events that were not delivered, by state.",
        [({"state": one.value}, waiting[one]) for one in (EventState.WAITING, EventState.DEAD)],
    )
    yield from _audit_trail(connection)


def _audit_trail(connection: Connection) -> Iterator[str]:
    entries = connection.scalar(sa.select(sa.func.count()).select_from(audit_entry)) or 0
    yield from _metric(
        "solpay_audit_entries",
        "Entries of the audit trail; `head` is the hash of the newest.",
        [({"head": audit.head(connection)}, entries)],
    )


def _oldest_sweepable(connection: Connection, tables: PeerTables) -> datetime | None:
    wallet, payment = tables.wallet, tables.payment
    oldest: datetime | None = connection.scalar(
        sa.select(sa.func.min(wallet.c.updated))
        .select_from(wallet.join(payment, payment.c.one_time_payment_wallet_id == wallet.c.id))
        .where(
            wallet.c.state.in_([state.value for state in SWEEPABLE]),
            payment.c.status.in_([status.value for status in ACCEPTED]),
            ~findings.is_set_aside(wallet.c.id),
        )
    )
    return oldest


async def _of_chain(shop: WatchedShop, fee_payer: Pubkey) -> list[str]:
    lines: list[str] = []
    try:
        async with shop.open_rpc(0.0) as rpc:
            await rpc.check_cluster(shop.cluster)
            lamports = await rpc.balance(fee_payer, shop.commitment)
        if fee_payer != NOBODY:
            lines += _metric("solpay_fee_payer_lamports", "What the fee payer has left.", [({}, lamports)])
        is_up = 1
    except ChainError:
        is_up = 0
    return [*lines, *_metric("solpay_chain_up", "Whether the chain could be asked.", [({}, is_up)])]


def _age(name: str, words: str, since: datetime | None, now: datetime) -> Iterator[str]:
    seconds = 0 if since is None else max(0, int((now - since).total_seconds()))
    yield from _metric(name, words, [({}, seconds)])


def _metric(name: str, words: str, samples: Sequence[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        shown = ",".join(f'{label}="{text}"' for label, text in labels.items())
        yield f"{name}{{{shown}}} {value}" if shown else f"{name} {value}"
