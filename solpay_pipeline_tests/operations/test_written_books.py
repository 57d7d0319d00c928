"""What is written with a change: its event and its findings, in the same transaction and once."""

from typing import Any

import pytest
import sqlalchemy as sa

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import findings, outbox
from solpay_pipeline.ledger.tables import event, leg, movement, transaction
from solpay_pipeline.lifecycle.findings import HELD, Finding, FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement, Standing
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.operations.changes.written_books import WrittenBooks
from solpay_pipeline_tests.operations.database import Shop
from solpay_pipeline_tests.operations.ground import EXPIRED, NOW, PRICE, holds, snapshot


def paid(one: Snapshot, surplus: int = 0) -> Judgement:
    received = {None: PRICE + surplus}
    extra = {None: surplus} if surplus else {}
    return Judgement(Standing.PAID, one.payment.options[0], "the transfer", EXPIRED, received, extra)


def codes(shop: Shop, one: Snapshot) -> set[FindingCode]:
    with reading(shop.engine) as connection:
        standing = [each.finding for each in findings.standing(connection)]
    return {each.code for each in standing if each.wallet_id == one.wallet.id}


def body(shop: Shop, one: Snapshot) -> Any:
    with reading(shop.engine) as connection:
        query = (
            sa.select(event.c.body).where(event.c.payment_id == one.payment.id).order_by(event.c.id.desc())
        )
        return connection.scalars(query).first()


def again(shop: Shop, one: Snapshot) -> Snapshot:
    """Read once more, with the same holdings."""
    [row] = shop.scene.context.records.of_payments([one.payment.id])
    return snapshot(row, one.holdings)  # type: ignore[arg-type]


def test_an_acceptance_is_written_with_its_event_and_what_was_too_much(shop: Shop) -> None:
    one = shop.new_payment()
    shop.books.note([Finding.about(one.wallet, FindingCode.UNDATED, "nobody says when")])
    [after] = shop.books.accept([(one, paid(one, surplus=5))])
    row = shop.payment(one)
    assert (row.status, row.signature, row.paid_token_id) == ("confirmed", "the transfer", shop.sol)
    assert shop.state(one) == after.state == "processing_payment"
    assert codes(shop, one) == {FindingCode.OVERPAID}, "that it was undated is over"
    assert (body(shop, one)["surplus"], body(shop, one)["previous_status"]) == ({"SOL": "5"}, "initiated")


def test_an_acceptance_that_was_overwritten_and_made_again_is_reported_once(shop: Shop) -> None:
    one = shop.new_payment()
    shop.books.accept([(one, paid(one))])
    with shop.engine.begin() as connection:
        table = shop.tables.payment
        connection.execute(
            sa.update(table).where(table.c.id == one.payment.id).values(status=PaymentStatus.EXPIRED.value)
        )
    one = again(shop, one)
    assert len(shop.books.accept([(one, paid(one))])) == 1
    assert shop.kinds(one) == ["payment.accepted"]


def test_a_judgement_without_a_transfer_accepts_nothing(shop: Shop) -> None:
    one = shop.new_payment()
    with pytest.raises(ValueError, match="no completing transfer"):
        shop.books.accept([(one, Judgement(Standing.PAID))])


def test_held_money_is_reported_once_for_each_amount(shop: Shop) -> None:
    one = shop.new_payment()
    for amount in (5, 5, 6):
        one = snapshot(again(shop, one).wallet, holds(one.wallet, amount))
        shop.books.hold(one, FindingCode.SHORT)
    assert shop.kinds(one) == ["payment.expired", "payment.held", "payment.held"]
    assert (shop.state(one), codes(shop, one)) == ("received_funds", {FindingCode.SHORT})
    assert body(shop, one)["holds"] == {"SOL": "6"}


def test_a_wallet_comes_to_rest_at_the_receiver_that_has_its_money(shop: Shop) -> None:
    ours, earlier = shop.new_payment(), shop.new_payment()
    with shop.engine.begin() as connection:
        made = connection.execute(
            sa.insert(transaction)
            .values(
                signature=f"landed {earlier.wallet.id} on {shop.engine.dialect.name}",
                wire=b"",
                last_valid_block_height=1,
                blockhash_slot=1,
                state="finalized",
                purpose="sweep",
                operation="sweep",
                run_id="earlier",
                signature_count=1,
                fee=1,
                created_at=NOW,
                updated_at=NOW,
            )
            .returning(transaction.c.id)
        ).scalar_one()
        part = connection.execute(
            sa.insert(leg).values(transaction_id=made, wallet_id=earlier.wallet.id).returning(leg.c.id)
        ).scalar_one()
        moved = {"leg_id": part, "kind": "lamports", "amount": 1, "source": "it", "destination": "yesterday"}
        connection.execute(sa.insert(movement).values(**moved))
    shop.books.rest_swept([ours, earlier])
    assert body(shop, ours)["receiver"] == str(shop.scene.deployment.receiver)
    assert body(shop, earlier)["receiver"] == "yesterday"
    assert list(body(shop, earlier)) == [
        "payment_id",
        "payment_address",
        "wallet_id",
        "expires_at",
        "movements",
        "receiver",
    ]


def test_a_wallet_that_the_peer_opened_again_comes_to_rest_without_another_event(shop: Shop) -> None:
    one = shop.new_payment()
    shop.books.rest_closed([one])
    with shop.engine.begin() as connection:
        table = shop.tables.wallet
        connection.execute(
            sa.update(table).where(table.c.id == one.wallet.id).values(state=WalletState.CREATED.value)
        )
    shop.books.rest_closed([again(shop, one)])
    assert (shop.state(one), shop.kinds(one)) == ("payment_expired_and_wallet_closed", ["wallet.closed"])


def test_what_a_change_of_state_ends_is_over_and_the_rest_stands(shop: Shop) -> None:
    one = shop.new_payment()
    shop.books.note(
        [Finding.about(one.wallet, code, "it is so") for code in (FindingCode.LATE, FindingCode.TOO_LARGE)]
    )
    shop.books.change_state([one.wallet], WalletState.PAYMENT_EXPIRED, ending=HELD)
    assert codes(shop, one) == {FindingCode.TOO_LARGE}


def test_an_event_that_cannot_be_written_takes_its_change_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = shop.new_payment()

    def fail(*_: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(outbox, "append", fail)
    with pytest.raises(RuntimeError, match="disk"):
        shop.books.expire([one])
    assert (shop.payment(one).status, shop.state(one)) == ("initiated", "created")


def test_a_change_that_a_trigger_of_the_shop_keeps_from_happening_is_skipped(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = shop.new_payment()
    monkeypatch.setattr(
        "solpay_pipeline.operations.changes.written_books.change_payments", lambda *_, **__: set()
    )
    assert shop.books.expire([one]) == []
    assert shop.scene.tally.skipped == 1


def test_a_thousand_and_one_rows_are_two_batches_and_all_of_them_are_changed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solpay_pipeline.operations.changes.unmoved._BATCH", 2)
    all_of_them = [shop.new_payment() for _ in range(5)]
    assert isinstance(shop.books, WrittenBooks)
    assert len(shop.books.expire(all_of_them)) == 5
