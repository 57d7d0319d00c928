"""What finalized transactions did to a wallet with a long history: each is read once, however often it is looked at.

Strangers can name a wallet in as many transactions as they pay for. Only what a transaction did is kept, which is
final. Which transactions there are is asked anew at each look: that a node leaves one out is not remembered.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.base.sql import insert_into
from solpay_pipeline.ledger.tables import known_effect
from solpay_pipeline.lifecycle.evidence.effects import Change, Effect


def of_address(connection: Connection, address: Pubkey) -> dict[str, Effect]:
    """The known effects of the transactions that name a wallet, by signature."""
    query = sa.select(known_effect).where(known_effect.c.address == str(address))
    return {row.signature: _effect(row.signature, row.content) for row in connection.execute(query)}


def keep(connection: Connection, address: Pubkey, effects: Iterable[Effect]) -> None:
    """Keep what finalized transactions did; what is known already stays."""
    rows = [
        {"address": str(address), "signature": one.signature, "content": _content(one)} for one in effects
    ]
    if rows:
        connection.execute(insert_into(connection, known_effect).on_conflict_do_nothing(), rows)


def _content(effect: Effect) -> dict[str, Any]:
    return {
        "slot": effect.slot,
        "block_time": None if effect.block_time is None else effect.block_time.isoformat(),
        "fee": effect.fee,
        "fee_payer": str(effect.fee_payer),
        "changes": [
            [
                str(one.address),
                str(one.holder),
                one.lamports_before,
                one.lamports_after,
                None if one.mint is None else str(one.mint),
                one.tokens_before,
                one.tokens_after,
                one.opened,
                one.closed,
            ]
            for one in effect.changes
        ],
    }


def _effect(signature: str, content: dict[str, Any]) -> Effect:
    block_time = content["block_time"]
    return Effect(
        signature=signature,
        slot=content["slot"],
        block_time=None if block_time is None else datetime.fromisoformat(block_time),
        fee=content["fee"],
        fee_payer=Pubkey.from_string(content["fee_payer"]),
        changes=tuple(_change(*one) for one in content["changes"]),
    )


def _change(address: str, holder: str, before: int, after: int, mint: str | None, *rest: Any) -> Change:
    named = None if mint is None else Pubkey.from_string(mint)
    return Change(Pubkey.from_string(address), Pubkey.from_string(holder), before, after, named, *rest)
