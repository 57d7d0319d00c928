"""What paid is called final or taken back by evidence alone; what cannot be told is said."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from solders.signature import Signature

from solpay_pipeline.chain.rpc.answers import SignatureStatus
from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.ledger.seen.followed import Followed, Paid
from solpay_pipeline.ledger.tables import FollowState
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import Commitment, PaymentStatus, Wallet
from solpay_pipeline.operations.finality import follow_acceptances
from solpay_pipeline_tests.operations.ground import (
    PRICE,
    SLOT,
    Scene,
    accepted,
    came,
    holds,
    payment_of,
    scene,
)

TRANSFER = str(Signature.default())
FINAL_SLOT = SLOT + 100


def followed(one: Wallet, **changes: Any) -> Followed:
    usual: dict[str, Any] = {
        "payment_id": payment_of(one).id,
        "wallet_id": one.id,
        "address": payment_of(one).address,
        "source": Source.PIPELINE,
        "signature": TRANSFER,
        "mint": None,
        "amount": PRICE,
        "seen_slot": SLOT,
    }
    state = changes.pop("state", FollowState.OPEN)
    return Followed(one.id, Paid(**(usual | changes)), state)


def follow(
    made: Scene,
    *cases: Followed,
    status: SignatureStatus | None = None,
    final_slot: int = FINAL_SLOT,
    others: Sequence[Scene] = (),
) -> None:
    made.finality.followed = list(cases)
    made.rpc.landed = {} if status is None else {TRANSFER: status}
    made.rpc.lands = False
    made.rpc.final_slot = final_slot
    made.rpc.others = [one.rpc for one in others]
    asyncio.run(follow_acceptances(made.context))


def seen(confirmation: Commitment, slot: int = SLOT, err: str | None = None) -> SignatureStatus:
    return SignatureStatus(slot=slot, confirmation=confirmation, err=err)


def a_wallet(made: Scene, lamports: int = 0, *entries: Any) -> Wallet:
    one = accepted()
    return made.add(one, holds(one, lamports), *entries)


def test_without_anything_to_follow_nothing_is_asked() -> None:
    made = scene()
    follow(made)
    assert (dict(made.rpc.calls), made.chain.asked) == ({}, [])


def test_what_is_final_costs_one_status_and_no_look() -> None:
    made = scene()
    follow(made, followed(a_wallet(made)), status=seen(Commitment.FINALIZED))
    assert (made.finality.final, dict(made.rpc.calls)) == ({1: TRANSFER}, {"statuses": 1})
    assert (made.chain.asked, made.finality.asked_ids) == ([], [1])


def test_what_is_only_confirmed_waits() -> None:
    made = scene()
    follow(made, followed(a_wallet(made)), status=seen(Commitment.CONFIRMED))
    assert (made.finality.final, made.finality.taken_back, made.finality.returned) == ({}, {}, {})


def test_nothing_is_concluded_before_the_slot_by_which_it_was_seen_is_final() -> None:
    made = scene()
    follow(made, followed(a_wallet(made)), final_slot=SLOT)
    assert (made.finality.taken_back, made.chain.asked) == ({}, [])


def test_no_status_no_balance_and_no_history_is_taken_back() -> None:
    made = scene()
    follow(made, followed(a_wallet(made)))
    assert made.finality.taken_back == {1: PRICE}


def test_a_status_of_failure_alone_is_no_payment_either() -> None:
    made = scene()
    follow(made, followed(a_wallet(made)), status=seen(Commitment.FINALIZED, err="it failed"))
    assert made.finality.taken_back == {1: PRICE}


def test_money_that_is_there_is_final_without_a_status() -> None:
    made = scene()
    follow(made, followed(a_wallet(made, PRICE)))
    assert (made.finality.final, made.finality.taken_back) == ({1: TRANSFER}, {})


def test_money_that_is_home_for_good_is_final_without_a_status() -> None:
    made = scene()
    made.finality.home = {1: {None: PRICE}}
    follow(made, followed(a_wallet(made)))
    assert made.finality.final == {1: TRANSFER}


def test_money_that_the_history_shows_is_final_without_a_status() -> None:
    made = scene()
    follow(made, followed(a_wallet(made, 0, came(PRICE))))
    assert made.finality.final == {1: "payment in slot 5"}


def test_a_transfer_that_landed_elsewhere_is_final_with_all_that_paid_beside_it() -> None:
    made = scene()
    half, whole = a_wallet(made, PRICE // 2, came(PRICE // 2)), accepted(2)
    made.add(whole, holds(whole, PRICE))
    later = seen(Commitment.FINALIZED, slot=SLOT + 5)
    follow(made, followed(half), followed(whole), status=later)
    assert (made.finality.final, made.finality.taken_back) == ({2: TRANSFER}, {1: PRICE // 2})


def test_a_node_whose_history_is_too_short_proves_nothing() -> None:
    made = scene()
    made.chain.first_slot = 500
    made.rpc.block_times = dict.fromkeys(range(500, 5_000), made.context.chain_time)
    follow(made, followed(a_wallet(made)))
    assert made.finality.taken_back == {}
    assert made.books.codes == [(1, FindingCode.FINALITY_UNKNOWN)]
    assert TRANSFER in made.books.findings[0].explanation


def test_what_another_endpoint_knows_is_not_taken_back() -> None:
    made, other = scene(), scene()
    other.rpc.landed = {TRANSFER: seen(Commitment.FINALIZED)}
    follow(made, followed(a_wallet(made)), others=[other])
    assert (made.finality.taken_back, made.books.codes) == ({}, [(1, FindingCode.FINALITY_UNKNOWN)])


def test_what_was_taken_back_and_lands_again_goes_on() -> None:
    made = scene()
    case = followed(a_wallet(made), state=FollowState.REVERTED)
    follow(made, case, status=seen(Commitment.CONFIRMED, slot=SLOT + 200))
    assert made.finality.returned == {1: TRANSFER}


def test_a_payment_that_is_not_accepted_any_more_is_left() -> None:
    made = scene()
    gone, other = accepted(2), accepted(3)
    written_back = made.add(accepted())
    made.records.put(_with_status(written_back, PaymentStatus.EXPIRED))
    made.add(other)
    reused = followed(other, address=payment_of(gone).address)
    follow(made, followed(written_back), followed(gone), reused)
    assert (made.finality.forgotten, made.chain.asked) == ([1, 2, 3], [])


def _with_status(one: Wallet, status: PaymentStatus) -> Wallet:
    return replace(one, payment=replace(payment_of(one), status=status))
