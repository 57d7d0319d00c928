"""A finding stands until it is cleared, keeps its first date, and is told once a wallet, kind and mint."""

from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.ledger import findings
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.lifecycle.findings import HELD, Finding, FindingCode
from solpay_pipeline_tests.rooms.ledger.ground import LATER, MINT, NOON, OTHER_RUN, RUN

SHORT = Finding(FindingCode.SHORT, 1, 11, "half is there", None, 5)
LATE = Finding(FindingCode.LATE, 1, 11, "it came late", MINT, 2**64 - 1)
STUCK = Finding(FindingCode.TOKEN_STUCK, 2, 12, "it is frozen", MINT, 7)


def standing(connection: Connection, **which: RunRef) -> list[Finding]:
    return [one.finding for one in findings.standing(connection, **which)]


def test_findings_come_back_as_they_were_noted(connection: Connection) -> None:
    assert standing(connection) == []
    findings.note(connection, [SHORT, LATE, STUCK], RUN, NOON)
    assert set(standing(connection)) == {SHORT, LATE, STUCK}
    [one, *_] = findings.standing(connection)
    assert (one.operation, one.run_id, one.first_seen_at, one.last_seen_at) == ("sweep", "run", NOON, NOON)


def test_noting_nothing_changes_nothing(connection: Connection) -> None:
    findings.note(connection, [], RUN, NOON)
    assert standing(connection) == []


def test_a_finding_that_stands_keeps_its_first_date_and_takes_the_new_words(connection: Connection) -> None:
    findings.note(connection, [SHORT], RUN, NOON)
    more = Finding(FindingCode.SHORT, 1, 11, "three quarters are there", None, 8)
    findings.note(connection, [more], RunRef("other", "expire"), LATER)
    [one] = findings.standing(connection)
    assert one.finding == more
    assert (one.operation, one.run_id, one.first_seen_at, one.last_seen_at) == (
        "expire",
        "other",
        NOON,
        LATER,
    )


def test_of_two_findings_of_one_kind_in_one_breath_the_last_stands(connection: Connection) -> None:
    again = Finding(FindingCode.SHORT, 1, 11, "no, less", None, 4)
    findings.note(connection, [SHORT, again], RUN, NOON)
    assert standing(connection) == [again]


def test_wallets_kinds_and_mints_are_told_apart(connection: Connection) -> None:
    other = Pubkey.new_unique()
    different = [
        Finding(FindingCode.SHORT, 1, 11, "", None),
        Finding(FindingCode.SHORT, 1, 11, "", MINT),
        Finding(FindingCode.SHORT, 1, 11, "", other),
        Finding(FindingCode.LATE, 1, 11, "", MINT),
        Finding(FindingCode.SHORT, 2, 11, "", MINT),
        Finding(FindingCode.UNREADABLE_ROW, None, 1, ""),
        Finding(FindingCode.UNREADABLE_ROW, None, 2, ""),
        Finding(FindingCode.UNREADABLE_ROW, 1, 2, ""),
    ]
    findings.note(connection, different, RUN, NOON)
    assert set(standing(connection)) == set(different)
    assert len(standing(connection)) == len(different)


def test_clearing_ends_the_kinds_named_for_the_wallets_named_alone(connection: Connection) -> None:
    findings.note(connection, [SHORT, LATE, STUCK], RUN, NOON)
    findings.clear(connection, [1], {FindingCode.SHORT, FindingCode.TOKEN_STUCK}, LATER)
    assert set(standing(connection)) == {LATE, STUCK}
    findings.clear(connection, [1, 2], HELD, LATER)
    assert standing(connection) == [STUCK]
    findings.clear(connection, [], set(FindingCode), LATER)
    assert standing(connection) == [STUCK]


def test_what_was_cleared_may_come_again_with_a_new_date(connection: Connection) -> None:
    findings.note(connection, [SHORT], RUN, NOON)
    findings.clear(connection, [1], {FindingCode.SHORT}, NOON)
    findings.note(connection, [SHORT], RUN, LATER)
    [one] = findings.standing(connection)
    assert (one.finding, one.first_seen_at) == (SHORT, LATER)


def test_more_wallets_than_a_list_of_parameters_takes_are_all_cleared(connection: Connection) -> None:
    many = range(1, 6)
    findings.note(connection, [Finding(FindingCode.SHORT, one, one, "") for one in many], RUN, NOON)
    assert len(standing(connection)) == len(many)
    findings.clear(connection, range(40_000), {FindingCode.SHORT}, LATER)
    assert standing(connection) == []


def test_the_amounts_that_stand_for_a_wallet_are_told_by_kind_and_mint(connection: Connection) -> None:
    findings.note(connection, [SHORT, LATE, STUCK], RUN, NOON)
    assert findings.amounts_of(connection, 1, HELD) == {
        (FindingCode.SHORT, None): 5,
        (FindingCode.LATE, MINT): 2**64 - 1,
    }
    assert findings.amounts_of(connection, 1, {FindingCode.LATE}) == {(FindingCode.LATE, MINT): 2**64 - 1}
    assert findings.amounts_of(connection, 2, HELD) == {}
    findings.clear(connection, [1], {FindingCode.LATE}, LATER)
    assert findings.amounts_of(connection, 1, HELD) == {(FindingCode.SHORT, None): 5}


def test_a_run_knows_the_findings_that_its_operation_saw_last(connection: Connection) -> None:
    findings.note(connection, [SHORT, STUCK], RUN, NOON)
    findings.note(connection, [SHORT], OTHER_RUN, LATER)
    assert standing(connection, run=RUN) == [STUCK]
    assert standing(connection, run=OTHER_RUN) == [SHORT]
    assert standing(connection, run=RunRef("run", "expire")) == []
