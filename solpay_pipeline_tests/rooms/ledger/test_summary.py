"""What an operation of a run did, read back: its own, all of it, once."""

from sqlalchemy import Connection

from solpay_pipeline.ledger import findings, outbox, transactions
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.summary import Summary, summarize
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline_tests.rooms.ledger.ground import (
    CLOSE,
    HARVEST,
    LAMPORTS,
    LATER,
    MINT,
    NOON,
    OTHER_RUN,
    RUN,
    TOKENS,
    entry,
    leg,
)


def land(
    connection: Connection, signature: str, *, wallet: int, end: TransactionState | None, run: RunRef = RUN
) -> None:
    actions = (LAMPORTS, TOKENS, HARVEST, CLOSE)
    transactions.record_all(
        connection, [entry(signature, leg(wallet, *actions), fee=10 ** (wallet - 1))], run, NOON
    )
    if end is not None:
        transactions.close(
            connection, signature, from_state=TransactionState.RECORDED, to_state=end, now=LATER, slot=1
        )


def test_a_run_that_did_nothing_has_an_empty_summary(connection: Connection) -> None:
    assert summarize(connection, RUN) == Summary({}, {}, (), {}, 0, {}, 0, ())


def test_what_landed_is_summed_and_what_failed_has_cost_its_fee(connection: Connection) -> None:
    ends = [
        TransactionState.CONFIRMED,
        TransactionState.FINALIZED,
        TransactionState.FAILED,
        TransactionState.REFUSED,
        TransactionState.DEAD,
        None,
    ]
    for wallet, end in enumerate(ends, 1):
        land(connection, f"tx {wallet}", wallet=wallet, end=end)
    found = summarize(connection, RUN)
    assert found.transactions == {
        "confirmed": 1,
        "finalized": 1,
        "failed": 1,
        "refused": 1,
        "dead": 1,
        "recorded": 1,
    }
    assert found.signatures == ("tx 1", "tx 2", "tx 3")
    assert found.fees == 111
    assert found.moved == {None: 14, str(MINT): 2 * (2**64 - 1)}
    assert (found.rent, found.withheld) == (2_000, {str(MINT): 6})


def test_other_runs_and_other_operations_do_not_count(connection: Connection) -> None:
    told = [
        Event(EventKind.WALLET_SWEPT, 1, 1),
        Event(EventKind.WALLET_SWEPT, 2, 2),
        Event(EventKind.PAYMENT_HELD, 3, 3),
    ]
    ours = Finding(FindingCode.SHORT, 1, 1, "ours")
    outbox.append(connection, told, RUN, NOON)
    findings.note(connection, [ours], RUN, NOON)
    before = summarize(connection, RUN)
    assert before.events == {"wallet.swept": 2, "payment.held": 1}
    assert before.findings == (ours,)
    for wallet, other in enumerate((OTHER_RUN, RunRef("run", "expire")), 1):
        land(connection, f"of {wallet}", wallet=wallet, end=TransactionState.CONFIRMED, run=other)
        outbox.append(connection, told, other, NOON)
        findings.note(connection, [Finding(FindingCode.LATE, wallet, 1, "theirs")], other, NOON)
    assert summarize(connection, RUN) == before
