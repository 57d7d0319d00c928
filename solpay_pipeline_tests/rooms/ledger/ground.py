"""Moments, runs, and signed transactions to be written down."""

from datetime import UTC, datetime, timedelta

from solders.pubkey import Pubkey

from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.transactions import NewTransaction
from solpay_pipeline.lifecycle.actions import (
    Action,
    CloseAccount,
    HarvestWithheld,
    Leg,
    MoveLamports,
    MoveTokens,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
RUN, OTHER_RUN = RunRef("run", "sweep"), RunRef("other", "sweep")
OWNER, ACCOUNT, MINT, PROGRAM, HOME, PAYER = (Pubkey.new_unique() for _ in range(6))

LAMPORTS = MoveLamports(7, HOME)
TOKENS = MoveTokens(ACCOUNT, MINT, PROGRAM, 6, 2**64 - 1, HOME)
HARVEST = HarvestWithheld(ACCOUNT, MINT, PROGRAM, 3)
CLOSE = CloseAccount(ACCOUNT, PROGRAM, 1_000, PAYER)


def leg(wallet_id: int, *actions: Action) -> Leg:
    return Leg(wallet_id, OWNER, (actions or (LAMPORTS,),))


def entry(signature: str, *legs: Leg, fee: int = 10_000) -> NewTransaction:
    return NewTransaction(
        signature, b"wire of " + signature.encode(), 1_150, 990, "sweep", 1 + len(legs), fee, legs
    )
