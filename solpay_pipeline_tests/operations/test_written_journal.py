"""The ledger of transactions as it is written: before they leave, and by what the chain says of them."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from solpay_pipeline.base.database import reading
from solpay_pipeline.chain.sending.broadcast import Fate, Receipt
from solpay_pipeline.ledger.spending import SpendingLimits
from solpay_pipeline.ledger.tables import leg, transaction
from solpay_pipeline.ledger.transactions import NewTransaction, RunRef
from solpay_pipeline.lifecycle.actions import Leg, MoveLamports
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.operations.changes.written_journal import WrittenJournal
from solpay_pipeline.operations.context.journal import Recorded
from solpay_pipeline_tests.operations.database import Shop
from solpay_pipeline_tests.operations.ground import IN_FLIGHT

FEE = 10_000


def entry(shop: Shop, one: Snapshot) -> NewTransaction:
    signature = f"{shop.engine.dialect.name} {one.wallet.id}"
    part = Leg(one.wallet.id, one.payment.address, ((MoveLamports(1, shop.scene.deployment.receiver),),))
    return NewTransaction(signature, b"bytes", 1_000, 900, "sweep", 2, FEE, (part,))


def recorded(shop: Shop, one: Snapshot, journal: WrittenJournal | None = None) -> Recorded:
    return (journal or shop.journal).record([entry(shop, one)], [one.wallet], IN_FLIGHT).result


def state_of(shop: Shop, one: Snapshot) -> tuple[str, bool]:
    """Of its transaction, and whether the wallet is kept by it."""
    with reading(shop.engine) as connection:
        query = sa.select(transaction.c.state, leg.c.active_wallet_id).join(leg)
        row = connection.execute(query.where(leg.c.wallet_id == one.wallet.id)).one()
    return row.state, row.active_wallet_id is not None


def close(shop: Shop, one: Snapshot, *fates: Fate) -> None:
    for fate in fates:
        shop.journal.close([Receipt(entry(shop, one).signature, fate, slot=7, err="{}", fee=5_000)])


@pytest.fixture
def limited(shop: Shop) -> WrittenJournal:
    spending = SpendingLimits(per_run=FEE)
    deployment = replace(shop.scene.deployment, spending=spending)
    run = RunRef(f"{shop.engine.dialect.name} {id(shop)}", "sweep")
    return WrittenJournal(deployment, run, shop.scene.tally)


def test_a_wallet_has_one_leg_in_flight_at_most(shop: Shop) -> None:
    one = shop.new_payment()
    assert recorded(shop, one) is Recorded.RECORDED
    moved = replace(one, wallet=replace(one.wallet, state=IN_FLIGHT))
    second = replace(entry(shop, one), signature=f"another {one.wallet.id} {shop.engine.dialect.name}")
    assert shop.journal.record([second], [moved.wallet], IN_FLIGHT).result is Recorded.BUSY


def test_the_very_same_transaction_is_a_duplicate(shop: Shop) -> None:
    one = shop.new_payment()
    recorded(shop, one)
    same = replace(one, wallet=replace(one.wallet, state=IN_FLIGHT))
    assert recorded(shop, same) is Recorded.DUPLICATE


def test_what_exceeds_a_limit_is_not_recorded_and_says_which(shop: Shop, limited: WrittenJournal) -> None:
    first, second = shop.new_payment(), shop.new_payment()
    assert recorded(shop, first, limited) is Recorded.RECORDED
    made = limited.record([entry(shop, second)], [second.wallet], IN_FLIGHT)
    assert made.result is Recorded.OVER_LIMIT
    assert made.limit is not None
    assert made.limit.reason == "max_spent_per_run"
    assert shop.state(second) == "created"


def test_only_so_many_are_signed_as_may_be_paid(shop: Shop, limited: WrittenJournal) -> None:
    count, limit = limited.affordable([FEE // 2, FEE // 2, 1])
    assert (count, limit is not None) == (2, True)
    assert shop.journal.affordable([FEE, FEE]) == (2, None)


@pytest.mark.parametrize(
    ("fates", "state", "is_kept"),
    [
        ((Fate.CONFIRMED,), "confirmed", False),
        ((Fate.CONFIRMED, Fate.FINALIZED), "finalized", False),
        ((Fate.FINALIZED,), "finalized", False),
        ((Fate.FAILED,), "failed", False),
        ((Fate.REFUSED,), "refused", False),
        ((Fate.DEAD,), "dead", False),
        ((Fate.IN_FLIGHT,), "recorded", True),
        ((Fate.FINALIZED, Fate.DEAD), "finalized", False),
        ((Fate.CONFIRMED, Fate.REFUSED), "confirmed", False),
    ],
)
def test_what_the_chain_says_moves_a_transaction_on_and_lets_its_wallet_go(
    shop: Shop, fates: tuple[Fate, ...], state: str, is_kept: bool
) -> None:
    one = shop.new_payment()
    recorded(shop, one)
    close(shop, one, *fates)
    assert state_of(shop, one) == (state, is_kept)
    assert shop.scene.tally.reopened == 0


@pytest.mark.parametrize("fate", [Fate.DEAD, Fate.FAILED])
@pytest.mark.parametrize(
    ("rest", "opened"), [("rest_swept", "processing_funds"), ("rest_closed", "payment_expired")]
)
def test_a_wallet_whose_confirmed_transaction_a_fork_took_back_is_open_again(
    shop: Shop, fate: Fate, rest: str, opened: str
) -> None:
    one = shop.new_payment()
    recorded(shop, one)
    close(shop, one, Fate.CONFIRMED)
    getattr(shop.books, rest)([replace(one, wallet=replace(one.wallet, state=IN_FLIGHT))])
    close(shop, one, fate)
    assert shop.state(one) == opened
    assert shop.scene.tally.reopened == 1
    findings = shop.scene.context.books.summary().findings
    assert FindingCode.FORK in {each.code for each in findings if each.wallet_id == one.wallet.id}


def test_a_wallet_is_kept_again_while_its_confirmed_transaction_may_land_once_more(shop: Shop) -> None:
    one = shop.new_payment()
    recorded(shop, one)
    close(shop, one, Fate.CONFIRMED)
    shop.journal.hold_again([entry(shop, one).signature])
    assert state_of(shop, one) == ("confirmed", True)


def test_a_row_takes_the_state_of_flight_as_it_is_recorded(shop: Shop) -> None:
    one = shop.new_payment()
    recorded(shop, one)
    assert shop.state(one) == WalletState.PROCESSING_FUNDS
