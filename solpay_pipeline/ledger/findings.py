"""What people should know about a wallet: set aside, held, or a notice. A finding stands until it is cleared."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.base.sql import among, upsert
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.tables import finding
from solpay_pipeline.lifecycle.findings import HELD, NOTICES, Finding, FindingCode

_STANDS_ASIDE = (
    finding.c.standing_key.is_not(None),
    finding.c.code.not_in([code.value for code in HELD | NOTICES]),
)


@dataclass(frozen=True, slots=True)
class StandingFinding:
    """A finding as stored."""

    finding: Finding
    operation: str
    run_id: str
    first_seen_at: datetime
    last_seen_at: datetime


def note(connection: Connection, findings: Sequence[Finding], run: RunRef, now: datetime) -> None:
    """Store findings; one that stands already keeps its first date and gets the new explanation and amount."""
    # Deduplicate by key; the last explanation wins.
    rows = {
        _key(one): {
            "standing_key": _key(one),
            "code": one.code,
            "wallet_id": one.wallet_id,
            "payment_id": one.payment_id,
            "mint": None if one.mint is None else str(one.mint),
            "amount": one.amount,
            "explanation": one.explanation,
            "operation": run.operation,
            "run_id": run.run_id,
            "first_seen_at": now,
            "last_seen_at": now,
        }
        for one in findings
    }
    renewed = ["amount", "explanation", "operation", "run_id", "last_seen_at"]
    upsert(connection, finding, list(rows.values()), key="standing_key", renewed=renewed)


def is_set_aside(wallet_id: sa.ColumnElement[int]) -> sa.Exists:
    """Whether a wallet is set aside: a finding stands for it that is neither a hold nor a notice."""
    return sa.exists().where(finding.c.wallet_id == wallet_id, *_STANDS_ASIDE)


def set_aside_among(connection: Connection, wallet_ids: Collection[int]) -> set[int]:
    """Those of these wallets for which `is_set_aside` holds."""
    stands = sa.select(finding.c.wallet_id).where(
        among(connection, finding.c.wallet_id, wallet_ids), *_STANDS_ASIDE
    )
    return set(connection.scalars(stands))


def clear(
    connection: Connection, wallet_ids: Collection[int], codes: Collection[FindingCode], now: datetime
) -> None:
    """Clear the findings of these kinds that stand for these wallets."""
    connection.execute(
        sa.update(finding)
        .where(
            among(connection, finding.c.wallet_id, wallet_ids),
            finding.c.standing_key.is_not(None),
            finding.c.code.in_(list(codes)),
        )
        .values(standing_key=None, cleared_at=now)
    )


def amounts_of(
    connection: Connection, wallet_id: int, codes: Collection[FindingCode]
) -> dict[tuple[FindingCode, Pubkey | None], int]:
    """The amounts of a wallet's standing findings, by kind and mint."""
    rows = connection.execute(
        sa.select(finding.c.code, finding.c.mint, finding.c.amount).where(
            finding.c.wallet_id == wallet_id,
            finding.c.standing_key.is_not(None),
            finding.c.code.in_(list(codes)),
        )
    )
    return {
        (FindingCode(code), None if mint is None else Pubkey.from_string(mint)): amount
        for code, mint, amount in rows
    }


def standing(connection: Connection, *, run: RunRef | None = None) -> list[StandingFinding]:
    """Standing findings: all, or those last seen by one operation of one run."""
    query = sa.select(finding).where(finding.c.standing_key.is_not(None)).order_by(finding.c.id)
    if run is not None:
        query = query.where(finding.c.run_id == run.run_id, finding.c.operation == run.operation)
    return [
        StandingFinding(
            Finding(
                code=FindingCode(row.code),
                wallet_id=row.wallet_id,
                payment_id=row.payment_id,
                explanation=row.explanation,
                mint=None if row.mint is None else Pubkey.from_string(row.mint),
                amount=row.amount,
            ),
            operation=row.operation,
            run_id=row.run_id,
            first_seen_at=row.first_seen_at,
            last_seen_at=row.last_seen_at,
        )
        for row in connection.execute(query)
    ]


def _key(one: Finding) -> str:
    subject = f"w{one.wallet_id}" if one.wallet_id is not None else f"p{one.payment_id}"
    return f"{subject}:{one.code}:{one.mint or ''}"
