"""A wallet travels in one open transaction at most, and only the chain's word lets it go."""

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.ledger import transactions
from solpay_pipeline.ledger.tables import MovementKind, TransactionState, movement, transaction
from solpay_pipeline.ledger.transactions import AlreadyRecorded, LandedMovement, OpenTransaction, WalletBusy
from solpay_pipeline_tests.rooms.ledger.ground import (
    ACCOUNT,
    CLOSE,
    HARVEST,
    HOME,
    LAMPORTS,
    LATER,
    MINT,
    NOON,
    OWNER,
    PAYER,
    RUN,
    TOKENS,
    entry,
    leg,
)

RECORDED, CONFIRMED, FINALIZED = (
    TransactionState.RECORDED,
    TransactionState.CONFIRMED,
    TransactionState.FINALIZED,
)
MANY = range(1, 6)


def close(connection: Connection, signature: str, to: TransactionState, **more: object) -> bool:
    return transactions.close(connection, signature, from_state=RECORDED, to_state=to, now=LATER, **more)


def test_what_is_recorded_is_open_with_everything_that_sending_it_again_takes(connection: Connection) -> None:
    transactions.record_all(connection, [entry("one", leg(1), leg(2))], RUN, NOON)
    transactions.record_all(connection, [entry("two")], RUN, NOON)
    first, second = transactions.open_transactions(connection)
    assert first == OpenTransaction(first.id, "one", b"wire of one", 1_150, 990, RECORDED)
    assert second.signature == "two"
    assert [transactions.wallets_of(connection, one) for one in ("one", "two")] == [[1, 2], []]
    assert first.id < second.id
    row = connection.execute(sa.select(transaction).order_by(transaction.c.id)).first()
    assert row is not None
    assert (row.purpose, row.operation, row.run_id) == ("sweep", "sweep", "run")
    assert (row.signature_count, row.fee) == (3, 10_000)
    assert (row.created_at, row.updated_at, row.slot, row.error) == (NOON, NOON, None, None)


def test_every_action_is_written_down_with_what_it_moves_from_where_to_where(connection: Connection) -> None:
    transactions.record_all(connection, [entry("one", leg(1, LAMPORTS, TOKENS, HARVEST, CLOSE))], RUN, NOON)
    rows = connection.execute(sa.select(movement).order_by(movement.c.id)).all()
    assert [(row.kind, row.mint, row.amount, row.source, row.destination) for row in rows] == [
        ("lamports", None, 7, str(OWNER), str(HOME)),
        ("tokens", str(MINT), 2**64 - 1, str(ACCOUNT), str(HOME)),
        ("withheld", str(MINT), 3, str(ACCOUNT), str(MINT)),
        ("rent", None, 1_000, str(ACCOUNT), str(PAYER)),
    ]


def test_a_wallet_is_busy_from_its_recording_until_its_transaction_is_closed(connection: Connection) -> None:
    assert transactions.busy_wallets(connection, [1, 2, 3]) == set()
    transactions.record_all(connection, [entry("one", leg(1), leg(2))], RUN, NOON)
    assert transactions.busy_wallets(connection, [1, 3]) == {1}
    assert transactions.busy_wallets(connection, []) == set()
    assert close(connection, "one", TransactionState.DEAD)
    assert transactions.busy_wallets(connection, [1, 2, 3]) == set()
    transactions.record_all(connection, [entry("two", leg(1))], RUN, NOON)
    assert transactions.busy_wallets(connection, [1, 2, 3]) == {1}


def test_a_second_leg_of_a_wallet_in_flight_is_refused(connection: Connection) -> None:
    transactions.record_all(connection, [entry("one", leg(1))], RUN, NOON)
    with pytest.raises(WalletBusy, match="wallet 1"), connection.begin_nested():
        transactions.record_all(connection, [entry("two", leg(2), leg(1))], RUN, NOON)
    assert [one.signature for one in transactions.open_transactions(connection)] == ["one"]
    assert transactions.busy_wallets(connection, [1, 2]) == {1}


def test_the_very_same_transaction_is_recorded_once(connection: Connection) -> None:
    transactions.record_all(connection, [entry("first", leg(1))], RUN, NOON)
    with pytest.raises(AlreadyRecorded, match="first"), connection.begin_nested():
        transactions.record_all(connection, [entry("first", leg(2))], RUN, NOON)


def test_only_whoever_closes_a_transaction_from_the_state_it_is_in_closes_it(connection: Connection) -> None:
    transactions.record_all(connection, [entry("one", leg(1))], RUN, NOON)
    transactions.record_all(connection, [entry("two", leg(2))], RUN, NOON)
    assert close(connection, "one", CONFIRMED, slot=1_000)
    assert not close(connection, "one", TransactionState.DEAD)
    assert not close(connection, "none", CONFIRMED)
    assert transactions.busy_wallets(connection, [1, 2]) == {2}
    assert [(one.signature, one.state) for one in transactions.open_transactions(connection)] == [
        ("one", CONFIRMED),
        ("two", RECORDED),
    ]
    assert transactions.close(connection, "one", from_state=CONFIRMED, to_state=FINALIZED, now=LATER)
    assert [one.signature for one in transactions.open_transactions(connection)] == ["two"]


def test_a_close_keeps_what_it_is_not_told_and_writes_what_it_is(connection: Connection) -> None:
    for signature in ("one", "two"):
        transactions.record_all(connection, [entry(signature, fee=10_000)], RUN, NOON)
    close(connection, "one", TransactionState.FAILED, slot=0, error="it failed", fee=0)
    close(connection, "two", CONFIRMED)
    rows = connection.execute(sa.select(transaction).order_by(transaction.c.id)).all()
    assert [(row.slot, row.error, row.fee, row.updated_at) for row in rows] == [
        (0, "it failed", 0, LATER),
        (None, None, 10_000, LATER),
    ]


def test_what_a_fork_took_back_holds_its_wallets_again_where_no_other_leg_does(
    connection: Connection,
) -> None:
    for signature, wallets in {"confirmed": (1, 2), "recorded": (3,), "dead": (4,), "unasked": (5,)}.items():
        transactions.record_all(connection, [entry(signature, *map(leg, wallets))], RUN, NOON)
    for signature, end in {
        "confirmed": CONFIRMED,
        "dead": TransactionState.DEAD,
        "unasked": CONFIRMED,
    }.items():
        close(connection, signature, end)
    transactions.record_all(connection, [entry("anew", leg(1))], RUN, NOON)
    transactions.hold_again(connection, ["confirmed", "recorded", "dead"])
    assert transactions.busy_wallets(connection, range(1, 6)) == {1, 2, 3}
    close(connection, "anew", FINALIZED)
    assert transactions.busy_wallets(connection, range(1, 6)) == {2, 3}


def test_the_wallets_of_a_transaction_are_known_also_when_it_is_closed(connection: Connection) -> None:
    transactions.record_all(connection, [entry("one", leg(1), leg(2))], RUN, NOON)
    transactions.record_all(connection, [entry("two", leg(3))], RUN, NOON)
    close(connection, "one", FINALIZED)
    assert sorted(transactions.wallets_of(connection, "one")) == [1, 2]
    assert transactions.wallets_of(connection, "two") == [3]
    assert transactions.wallets_of(connection, "none") == []


def test_only_what_landed_has_moved_anything(connection: Connection) -> None:
    ends = {
        "recorded": None,
        "confirmed": CONFIRMED,
        "finalized": FINALIZED,
        "failed": TransactionState.FAILED,
        "refused": TransactionState.REFUSED,
        "dead": TransactionState.DEAD,
    }
    for wallet_id, (signature, end) in enumerate(ends.items(), 1):
        transactions.record_all(connection, [entry(signature, leg(wallet_id))], RUN, NOON)
        if end is not None:
            close(connection, signature, end)
    moved = transactions.landed_movements(connection, [*range(1, 8)])
    assert set(moved) == {*range(1, 8)}
    lamports = MovementKind.LAMPORTS
    assert {wallet_id: found for wallet_id, found in moved.items() if found} == {
        2: [LandedMovement("confirmed", lamports, None, 7, str(HOME), str(OWNER))],
        3: [LandedMovement("finalized", lamports, None, 7, str(HOME), str(OWNER))],
    }


def test_what_a_wallet_moved_comes_oldest_first_and_is_told_in_plain_words(connection: Connection) -> None:
    for signature, actions in (("one", (TOKENS, CLOSE)), ("two", (LAMPORTS,))):
        transactions.record_all(connection, [entry(signature, leg(1, *actions))], RUN, NOON)
        close(connection, signature, CONFIRMED)
    moved = transactions.landed_movements(connection, iter([1]))[1]
    assert [(one.signature, one.kind) for one in moved] == [
        ("one", MovementKind.TOKENS),
        ("one", MovementKind.RENT),
        ("two", MovementKind.LAMPORTS),
    ]
    assert moved[0].as_json() == {
        "signature": "one",
        "kind": "tokens",
        "mint": str(MINT),
        "amount": str(2**64 - 1),
        "destination": str(HOME),
    }


def test_more_wallets_than_a_list_of_parameters_takes_are_all_found(connection: Connection) -> None:
    for wallet_id in MANY:
        transactions.record_all(connection, [entry(f"{wallet_id}", leg(wallet_id))], RUN, NOON)
    assert transactions.busy_wallets(connection, range(1, 40_000)) == set(MANY)
    open_ones = transactions.open_transactions(connection)
    assert [one.signature for one in open_ones] == [f"{wallet_id}" for wallet_id in MANY]
    connection.execute(sa.update(transaction).values(state=CONFIRMED))
    moved = transactions.landed_movements(connection, range(1, 40_000))
    assert [wallet_id for wallet_id in moved if moved[wallet_id]] == list(MANY)
