"""Where the money of an empty wallet went that no transaction of ours has moved."""

import asyncio

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.history import HistoryIncomplete
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.operations.looking.external_movements import went_home
from solpay_pipeline_tests.operations.ground import (
    PRICE,
    Scene,
    came,
    holds,
    left,
    scene,
    snapshot,
    wallet,
)


def shown(made: Scene, one: Wallet, lamports: int = 0, *flows: object, **tokens: int) -> Snapshot:
    held = holds(one, lamports, **tokens)
    made.chain.show(one, held, *flows)  # type: ignore[arg-type]
    return snapshot(one, held)


def test_money_that_others_sent_to_the_receiver_is_at_home() -> None:
    made = scene()
    one = shown(made, wallet(), 0, came(PRICE), left(PRICE, made.deployment.receiver))
    assert asyncio.run(went_home(made.context, one)).code is FindingCode.FOREIGN_MOVEMENT


@pytest.mark.parametrize("case", ["elsewhere", "in part", "nothing left", "unreadable"])
def test_money_of_which_not_all_is_known_to_be_at_home_is_an_operators(case: str) -> None:
    made = scene()
    stranger, receiver = Pubkey.new_unique(), made.deployment.receiver
    flows = {
        "elsewhere": (came(PRICE), left(PRICE, stranger)),
        "in part": (came(PRICE), left(1, receiver), left(PRICE - 1, stranger)),
        "nothing left": (came(PRICE),),
        "unreadable": (),
    }[case]
    one = shown(made, wallet(), 0, *flows)
    if case == "unreadable":
        made.chain.flows[one.payment.address] = HistoryIncomplete("a hole")
    assert asyncio.run(went_home(made.context, one)).code is FindingCode.FUNDS_ELSEWHERE
