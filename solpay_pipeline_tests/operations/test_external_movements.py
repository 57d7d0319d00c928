"""Where the money of an empty wallet went that no transaction of ours has moved."""

import asyncio

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.errors import Unanswered
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.operations.looking.external_movements import went_home
from solpay_pipeline_tests.operations.ground import (
    PRICE,
    Scene,
    came,
    holds,
    scene,
    snapshot,
    stolen,
    wallet,
)
from solpay_pipeline_tests.operations.ground import (
    went_home as home,
)


def shown(made: Scene, one: Wallet, lamports: int = 0, *entries: object, **tokens: int) -> Snapshot:
    held = holds(one, lamports, **tokens)
    made.chain.show(one, held, *entries)  # type: ignore[arg-type]
    return snapshot(one, held)


def test_money_that_others_sent_to_the_receiver_is_at_home() -> None:
    made = scene()
    one = shown(made, wallet(), 0, came(PRICE), home(PRICE, made.deployment.receiver))
    (finding,) = asyncio.run(went_home(made.context, one))
    assert finding.code is FindingCode.FOREIGN_MOVEMENT


@pytest.mark.parametrize("case", ["elsewhere", "in part", "nothing left", "unreadable"])
def test_money_of_which_not_all_is_known_to_be_at_home_is_an_operators(case: str) -> None:
    made = scene()
    stranger, receiver = Pubkey.new_unique(), made.deployment.receiver
    entries = {
        "elsewhere": (came(PRICE), stolen(PRICE, stranger)),
        "in part": (came(PRICE), home(1, receiver), stolen(PRICE - 1, stranger)),
        "nothing left": (came(PRICE),),
        "unreadable": (),
    }[case]
    one = shown(made, wallet(), 0, *entries)
    if case == "unreadable":
        made.chain.entries[one.payment.address] = Unanswered("a hole")
    (finding,) = asyncio.run(went_home(made.context, one))
    assert finding.code is FindingCode.FUNDS_ELSEWHERE
    assert finding.amount == {"elsewhere": PRICE, "in part": PRICE - 1}.get(case, 0)


def test_a_movement_that_the_ledger_knows_is_not_called_anybody_elses() -> None:
    made = scene()
    moved = home(PRICE, made.deployment.receiver)
    one = shown(made, wallet(), 0, came(PRICE), moved)
    made.records.own = {moved.signature}
    assert asyncio.run(went_home(made.context, one)) == []
