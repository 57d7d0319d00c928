"""Acceptances on their way to finality: followed once, ended once, by the address and never by an id."""

from dataclasses import replace

from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.ledger.seen import followed
from solpay_pipeline.ledger.seen.followed import Followed, Paid
from solpay_pipeline.ledger.tables import FollowState
from solpay_pipeline_tests.rooms.ledger.ground import LATER, MINT, NOON

OPEN, REVERTED, FINALIZED = FollowState.OPEN, FollowState.REVERTED, FollowState.FINALIZED


def paid(payment_id: int = 1) -> Paid:
    return Paid(payment_id, payment_id + 100, Pubkey.new_unique(), Source.PEER, "first", MINT, 2**64 - 1, 7)


def open_ones(connection: Connection, run_id: str = "a later run", **which: object) -> list[Followed]:
    return followed.page(connection, run_id, **({"after": 0, "limit": 10} | which))  # type: ignore[arg-type]


def begin(connection: Connection, *all_paid: Paid, state: FollowState = OPEN) -> set[Pubkey]:
    return followed.begin(connection, all_paid, state, "the run", NOON)


def test_what_an_acceptance_rests_on_is_read_as_it_was_written(connection: Connection) -> None:
    one = paid()
    other = replace(paid(2), signature=None, mint=None)
    assert begin(connection, one, other) == {one.address, other.address}
    assert [(each.paid, each.state) for each in open_ones(connection)] == [(one, OPEN), (other, OPEN)]


def test_a_run_asks_once_and_not_about_what_it_has_seen_paid_itself(connection: Connection) -> None:
    begin(connection, paid(), paid(2))
    assert open_ones(connection, "the run") == []
    first, second = open_ones(connection)
    assert open_ones(connection, after=first.id) == [second]
    assert open_ones(connection, payment_ids=[2]) == [second]
    followed.asked(connection, [first.id], "a later run")
    assert open_ones(connection) == [second]
    assert len(open_ones(connection, "the next one")) == 2


def test_of_two_that_end_one_acceptance_one_has_ended_it(connection: Connection) -> None:
    begin(connection, paid())
    [one] = open_ones(connection)
    assert followed.end(connection, [one.id], REVERTED, LATER) == {one.id}
    assert followed.end(connection, [one.id], REVERTED, LATER) == set()
    assert followed.end(connection, [one.id], FINALIZED, LATER) == {one.id}
    for state in (FINALIZED, REVERTED):
        assert followed.end(connection, [one.id], state, LATER) == set()
    assert not followed.go_on(connection, one, "second", 8, LATER)
    assert open_ones(connection) == []


def test_what_is_final_stays_so_when_it_is_accepted_again_and_what_was_taken_back_begins_anew(
    connection: Connection,
) -> None:
    final, taken_back = paid(), paid(2)
    assert begin(connection, final, state=FINALIZED) == {final.address}
    begin(connection, taken_back)
    followed.end(connection, [open_ones(connection)[0].id], REVERTED, LATER)
    again = replace(taken_back, signature="second", seen_slot=9)
    assert begin(connection, final, again) == {taken_back.address}
    assert [(one.paid, one.state) for one in open_ones(connection)] == [(again, OPEN)]


def test_another_transfer_is_followed_in_its_place(connection: Connection) -> None:
    begin(connection, paid())
    [one] = open_ones(connection)
    followed.end(connection, [one.id], REVERTED, LATER)
    assert followed.states(connection, [one.paid.address]) == {one.paid.address: REVERTED}
    assert followed.go_on(connection, one, "second", 8, LATER)
    [now] = open_ones(connection)
    assert (now.state, now.paid) == (OPEN, replace(one.paid, signature="second", seen_slot=8))


def test_what_is_forgotten_may_be_followed_again_and_what_is_final_is_not_forgotten(
    connection: Connection,
) -> None:
    one, final = paid(), paid(2)
    begin(connection, one)
    begin(connection, final, state=FINALIZED)
    followed.forget(connection, [each.id for each in open_ones(connection)])
    assert followed.states(connection, [one.address, final.address]) == {}
    assert begin(connection, one, final) == {one.address}
