"""One ladder: what follows from a judgement, by the policy of an operation."""

import asyncio
from collections.abc import Iterable

import pytest

from solpay_pipeline.lifecycle.evidence.statement import Entry
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.policy import EXPIRING, RECHECKING, SWEEPING, SWEEPING_HELD, Policy
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.operations.looking.resolutions import Resolved, expired_by_others, judge_and_resolve
from solpay_pipeline_tests.operations.ground import (
    BY_SOL,
    BY_USDC,
    EXPIRED,
    LIVE,
    PRICE,
    USDC,
    Scene,
    came,
    holds,
    scene,
    snapshot,
    wallet,
)


def look(
    made: Scene,
    *entries: Entry,
    lamports: int = 0,
    status: str = "initiated",
    state: str = "created",
    live: bool = False,
) -> Snapshot:
    """A wallet as it is on the chain and in its row."""
    number = len(made.records.rows) + 1
    one = wallet(
        number,
        status=PaymentStatus(status),
        state=WalletState(state),
        expires=LIVE if live else EXPIRED,
    )
    made.add(one, holds(one, lamports), *entries)
    return snapshot(one, holds(one, lamports))


def resolved(made: Scene, policy: Policy, *snapshots: Snapshot) -> Resolved:
    return asyncio.run(judge_and_resolve(made.context, snapshots, policy))


def done(made: Scene) -> str:
    """The one thing that was done, in a word."""
    books = made.books
    words: Iterable[tuple[str, object]] = (
        ("accepted", books.accepted),
        ("expired", books.expired),
        ("held", books.held),
        ("swept", books.swept),
        ("set aside", books.findings),
        ("state", books.states),
        ("waits", made.tally.waiting),
    )
    return ", ".join(word for word, happened in words if happened) or "nothing"


CASES = {
    "paid in time": {"entries": (came(PRICE),), "lamports": PRICE},
    "paid in time, expired": {"entries": (came(PRICE),), "lamports": PRICE, "status": "expired"},
    "short, time runs": {"entries": (came(1),), "lamports": 1, "live": True},
    "short": {"entries": (came(1),), "lamports": 1},
    "late": {"entries": (came(PRICE, at=LIVE),), "lamports": PRICE},
    "late, expired": {"entries": (came(PRICE, at=LIVE),), "lamports": PRICE, "status": "expired"},
    "nothing, time runs": {"live": True},
    "nothing": {},
    "nothing, expired": {"status": "expired", "state": "payment_expired"},
    "undated": {"entries": (came(PRICE, at=None),), "lamports": PRICE},
    "undated, time runs": {"entries": (came(PRICE, at=None),), "lamports": PRICE, "live": True},
    "unexplained": {"lamports": 1},
}

TABLE = {
    #                           expire        sweep        sweep held    recheck
    "paid in time": ("accepted", "accepted", "accepted", "accepted"),
    "paid in time, expired": ("accepted", "accepted", "accepted", "accepted"),
    "short, time runs": ("waits", "waits", "waits", "waits"),
    "short": ("held", "waits", "waits", "waits"),
    "late": ("held", "waits", "waits", "waits"),
    "late, expired": ("held", "held", "nothing", "waits"),
    "nothing, time runs": ("waits", "state", "state", "waits"),
    "nothing": ("expired", "waits", "waits", "waits"),
    "nothing, expired": ("nothing", "state", "state", "waits"),
    "undated": ("set aside", "set aside", "set aside", "set aside"),
    "undated, time runs": ("waits", "waits", "waits", "set aside"),
    "unexplained": ("set aside", "set aside", "set aside", "set aside"),
}

POLICIES = {"expire": EXPIRING, "sweep": SWEEPING, "sweep held": SWEEPING_HELD, "recheck": RECHECKING}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("case", CASES)
def test_what_each_operation_does_in_each_case(case: str, policy: str) -> None:
    made = scene()
    how = dict(CASES[case])
    entries = how.pop("entries", ())
    resolved(made, POLICIES[policy], look(made, *entries, **how))  # type: ignore[misc, arg-type]
    assert done(made) == TABLE[case][list(POLICIES).index(policy)]


def test_the_caller_goes_on_with_what_is_accepted_closable_or_released() -> None:
    made = scene()
    paid, empty = look(made, came(PRICE), lamports=PRICE), look(made)
    closed = look(made, status="expired", state="payment_expired")
    left_behind = look(made, status="expired")
    result = resolved(made, EXPIRING, paid, empty, closed, left_behind)
    assert [one.id for one in result.accepted] == [paid.wallet.id]
    assert sorted(one.id for one in result.closable) == [2, 3, 4]
    assert {one.state for one in result.closable} == {WalletState.PAYMENT_EXPIRED}
    late = look(made, came(PRICE, at=LIVE), lamports=PRICE, status="expired")
    assert resolved(made, SWEEPING_HELD, late).released == [late]


def test_held_money_is_labelled_by_why_it_does_not_pay() -> None:
    made = scene()
    look_alikes = {
        FindingCode.SHORT: look(made, came(1), lamports=1),
        FindingCode.LATE: look(made, came(PRICE, at=LIVE), lamports=PRICE),
    }
    resolved(made, EXPIRING, *look_alikes.values())
    assert made.books.held == [(101, FindingCode.SHORT), (102, FindingCode.LATE)]


def test_a_mint_that_cannot_be_read_is_named_in_the_finding() -> None:
    made = scene()
    one = wallet(options=(BY_SOL, BY_USDC))
    made.add(one, holds(one, unreadable={USDC.address: "it is gone"}))
    resolved(made, EXPIRING, snapshot(one, holds(one, unreadable={USDC.address: "it is gone"})))
    [finding] = made.books.findings
    assert (finding.code, finding.mint) == (FindingCode.MINT_UNREADABLE, USDC.address)
    assert "it is gone" in finding.explanation


def test_what_we_have_expired_ourselves_was_looked_at() -> None:
    made = scene()
    ours, theirs = look(made), look(made)
    made.records.expired_payments = {ours.payment.id}
    assert expired_by_others(made.context, [ours, theirs]) == [theirs]
