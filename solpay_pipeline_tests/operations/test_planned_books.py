"""The books of a dry run: everything is counted, nothing is written, and nothing else differs."""

import inspect

import pytest

from solpay_pipeline.chain.reading.rpc_chain import RpcChain
from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.actions import CloseAccount, MoveLamports, MoveTokens
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement, Standing
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.operations.changes.planned_books import PlannedBooks
from solpay_pipeline.operations.changes.written_books import WrittenBooks
from solpay_pipeline.operations.changes.written_journal import WrittenJournal
from solpay_pipeline.operations.context.books import Books
from solpay_pipeline.operations.context.chain import Chain
from solpay_pipeline.operations.context.journal import Journal
from solpay_pipeline.operations.context.records import Records
from solpay_pipeline.operations.looking.database_records import DatabaseRecords
from solpay_pipeline_tests.operations.ground import (
    BY_SOL,
    EXPIRED,
    PRICE,
    USDC,
    FakeBooks,
    FakeChain,
    FakeJournal,
    FakeRecords,
    holds,
    payment_of,
    snapshot,
    wallet,
)

PAID = Judgement(Standing.PAID, BY_SOL, "the transfer", EXPIRED)


def books() -> PlannedBooks:
    return PlannedBooks(PaymentStatus.CONFIRMED)


def test_a_payment_that_would_be_accepted_is_counted_and_goes_on_as_if_it_were() -> None:
    planned = books()
    [after] = planned.accept([(snapshot(wallet()), PAID)])
    assert (after.state, payment_of(after).status) == (WalletState.PROCESSING_PAYMENT, "confirmed")
    assert planned.summary().events == {EventKind.PAYMENT_ACCEPTED: 1}


def test_a_payment_that_would_expire_is_counted_with_what_follows_for_its_wallet() -> None:
    planned = books()
    [after] = planned.expire([snapshot(wallet(1))])
    planned.expire_and_close([snapshot(wallet(2)), snapshot(wallet(3))])
    planned.rest_closed([snapshot(after)])
    assert payment_of(after).status is PaymentStatus.EXPIRED
    assert planned.summary().events == {EventKind.PAYMENT_EXPIRED: 3, EventKind.WALLET_CLOSED: 3}


def test_money_that_would_be_held_is_a_finding_and_its_payment_expires_unless_it_has() -> None:
    planned = books()
    for number, status in ((1, PaymentStatus.INITIATED), (2, PaymentStatus.EXPIRED)):
        one = wallet(number, status=status)
        planned.hold(snapshot(one, holds(one, PRICE)), FindingCode.LATE)
    summary = planned.summary()
    assert summary.events == {EventKind.PAYMENT_EXPIRED: 1, EventKind.PAYMENT_HELD: 2}
    assert [(one.code, one.amount) for one in summary.findings] == [(FindingCode.LATE, PRICE)] * 2


def test_what_would_be_moved_is_summed_up_by_token_and_closing_moves_nothing() -> None:
    planned = books()
    program, account = USDC.program, USDC.address
    planned.plan(2, [MoveLamports(5, account), MoveLamports(6, account)])
    planned.plan(1, [MoveTokens(account, USDC.address, program, 6, 7, account)])
    planned.plan(1, [CloseAccount(account, program, 2_039_280, account)])
    summary = planned.summary()
    assert summary.moved == {None: 11, str(USDC.address): 7}
    assert summary.transactions == {TransactionState.CONFIRMED: 4}
    assert summary.signatures == ()


def test_findings_are_collected_and_looks_and_acceptances_are_not() -> None:
    planned = books()
    finding = Finding(FindingCode.KEY_UNREADABLE, 1, 101, "no key opens it")
    planned.note([finding])
    planned.remember_looks([101])
    planned.begin_acceptances()
    planned.report_acceptances([])
    assert planned.summary().findings == (finding,)
    assert not planned.summary().events


def test_a_wallet_that_would_change_its_state_goes_on_in_that_state() -> None:
    [after] = books().change_state([wallet()], WalletState.PAYMENT_EXPIRED, ending={FindingCode.LATE})
    assert after.state is WalletState.PAYMENT_EXPIRED


@pytest.mark.parametrize(
    ("protocol", "implementations"),
    [
        (Books, (WrittenBooks, PlannedBooks, FakeBooks)),
        (Journal, (WrittenJournal, FakeJournal)),
        (Records, (DatabaseRecords, FakeRecords)),
        (Chain, (RpcChain, FakeChain)),
    ],
)
def test_all_implementations_of_a_seam_take_the_same_arguments(
    protocol: type, implementations: tuple[type, ...]
) -> None:
    for name, wanted in inspect.getmembers(protocol, inspect.isfunction):
        if name.startswith("_"):
            continue
        for one in implementations:
            given = inspect.signature(getattr(one, name)).parameters
            kinds = [parameter.kind for parameter in given.values()]
            assert kinds == [each.kind for each in inspect.signature(wanted).parameters.values()], (one, name)
