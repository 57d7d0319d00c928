"""Plans: all that can be moved is moved to the right place, the rest is named, and rent is weighed against the fee."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.actions import (
    CloseAccount,
    HarvestWithheld,
    MoveLamports,
    MoveTokens,
    OpenAccount,
    RecoverNested,
)
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.holdings import Holdings, Mint, NestedHolding, Obstacle
from solpay_pipeline.lifecycle.planning import (
    Plan,
    Route,
    TokenDestination,
    plan_close,
    plan_close_empties,
    plan_sweep,
)
from solpay_pipeline.lifecycle.terms import PaymentStatus
from solpay_pipeline_tests.rooms.lifecycle.ground import (
    CLASSIC,
    OWNER,
    PYUSD,
    TOKEN_2022,
    USDC,
    holds,
    payment,
    token,
    wallet,
)

RECEIVER, FEE_PAYER = Pubkey.new_unique(), Pubkey.new_unique()
HOME = {USDC: TokenDestination(Pubkey.new_unique()), PYUSD: TokenDestination(Pubkey.new_unique(), True)}
ROUTE = Route(RECEIVER, FEE_PAYER, HOME, leg_cost=900)
FROZEN = frozenset({Obstacle.FROZEN})


def told(plan: Plan) -> list[tuple[FindingCode, Pubkey | None, int]]:
    assert all((one.wallet_id, one.payment_id) == (3, 7) for one in plan.findings)
    return [(one.code, one.mint, one.amount) for one in plan.findings]


def test_everything_of_a_wallet_goes_home_and_its_accounts_close() -> None:
    plain, taxed = token(5), token(7, PYUSD, program=TOKEN_2022, withheld=2, lamports=1_500)
    plan = plan_sweep(wallet(), holds(4, plain, taxed), ROUTE)
    assert plan.findings == ()
    assert plan.leg is not None
    assert (plan.leg.wallet_id, plan.leg.owner) == (3, OWNER)
    assert plan.leg.steps == (
        (MoveLamports(4, RECEIVER),),
        (
            MoveTokens(plain.account, USDC, CLASSIC, 6, 5, HOME[USDC].account),
            CloseAccount(plain.account, CLASSIC, 1_000, FEE_PAYER),
        ),
        (
            MoveTokens(taxed.account, PYUSD, TOKEN_2022, 6, 7, HOME[PYUSD].account, memo=True),
            HarvestWithheld(taxed.account, PYUSD, TOKEN_2022, 2),
            CloseAccount(taxed.account, TOKEN_2022, 1_500, FEE_PAYER),
        ),
    )


def test_an_empty_wallet_needs_no_transaction() -> None:
    assert plan_sweep(wallet(), holds(), ROUTE) == Plan(None)
    assert plan_close(wallet(), holds(), ROUTE) == Plan(None)


def test_closing_wrapped_sol_pays_out_the_rent_alone() -> None:
    wrapped = token(300, is_native=True, lamports=1_300)
    plan = plan_sweep(wallet(), holds(0, wrapped), ROUTE)
    assert plan.leg is not None
    assert plan.leg.actions[-1] == CloseAccount(wrapped.account, CLASSIC, 1_000, FEE_PAYER, unwraps=True)
    plain = token(300, lamports=1_300)
    plan = plan_sweep(wallet(), holds(0, plain), ROUTE)
    assert plan.leg is not None
    assert plan.leg.actions[-1] == CloseAccount(plain.account, CLASSIC, 1_300, FEE_PAYER)


def test_a_token_that_cannot_leave_is_named_and_stops_nothing_else() -> None:
    both = frozenset({Obstacle.PAUSED, Obstacle.FROZEN})
    stuck, free = token(5, obstacles=both), token(6, PYUSD)
    plan = plan_sweep(wallet(), holds(4, stuck, free), ROUTE)
    assert plan.leg is not None
    assert [action.source for action in plan.leg.actions if isinstance(action, MoveTokens)] == [free.account]
    assert len(plan.leg.steps) == 2
    assert told(plan) == [(FindingCode.TOKEN_STUCK, USDC, 5)]
    assert plan.findings[0].explanation == f"5 base units cannot leave {stuck.account}: frozen, paused"


def test_an_empty_account_closes_whatever_stands_in_the_way_of_its_tokens() -> None:
    frozen = token(0, obstacles=FROZEN)
    plan = plan_sweep(wallet(), holds(0, frozen), ROUTE)
    assert plan.leg is not None
    assert (plan.leg.actions, plan.findings) == (
        (CloseAccount(frozen.account, CLASSIC, 1_000, FEE_PAYER),),
        (),
    )


def test_without_a_fit_destination_a_token_stays_and_the_reason_is_told() -> None:
    unfit = replace(ROUTE, tokens={USDC: TokenDestination(RECEIVER, obstacle="it is frozen")})
    plan = plan_sweep(wallet(), holds(0, token(5), token(6, PYUSD)), unfit)
    assert plan.leg is None
    assert told(plan) == [(FindingCode.DESTINATION_UNFIT, USDC, 5), (FindingCode.DESTINATION_UNFIT, PYUSD, 6)]
    assert [one.explanation for one in plan.findings] == [
        f"the receiver's account {RECEIVER}: it is frozen",
        f"no account of the receiver is known for mint {PYUSD}",
    ]


def test_an_account_that_cannot_close_is_emptied_and_named() -> None:
    stuck = token(5, cannot_close="somebody else may close it")
    plan = plan_sweep(wallet(), holds(0, stuck), ROUTE)
    assert plan.leg is not None
    assert [type(action) for action in plan.leg.actions] == [MoveTokens]
    assert told(plan) == [(FindingCode.ACCOUNT_STUCK, USDC, 0)]
    assert plan.findings[0].explanation == "somebody else may close it"
    empty = plan_sweep(wallet(), holds(0, replace(stuck, amount=0)), ROUTE)
    assert (empty.leg, told(empty)) == (None, [(FindingCode.ACCOUNT_STUCK, USDC, 0)])


def test_lamports_that_cannot_move_are_named_and_stop_no_token() -> None:
    plan = plan_sweep(wallet(), holds(4, token(5), cannot_move_lamports="it is a nonce"), ROUTE)
    assert plan.leg is not None
    assert not any(isinstance(action, MoveLamports) for action in plan.leg.actions)
    assert told(plan) == [(FindingCode.LAMPORTS_STUCK, None, 4)]
    assert plan.findings[0].explanation == "it is a nonce"


def test_lamports_that_would_not_open_the_receivers_account_wait() -> None:
    new = replace(ROUTE, receiver_minimum=10)
    plan = plan_sweep(wallet(), holds(9), new)
    assert (plan.leg, told(plan)) == (None, [(FindingCode.LAMPORTS_STUCK, None, 9)])
    assert f"the receiver {RECEIVER} does not exist" in plan.findings[0].explanation
    enough = plan_sweep(wallet(), holds(10), new)
    assert enough.leg is not None
    assert enough.findings == ()
    assert plan_sweep(wallet(), holds(0), new) == Plan(None)


def test_an_unreadable_mint_is_named_and_stops_nothing_else() -> None:
    plan = plan_sweep(wallet(), holds(4, unreadable={USDC: "no such mint"}), ROUTE)
    assert plan.leg is not None
    assert plan.leg.actions == (MoveLamports(4, RECEIVER),)
    assert told(plan) == [(FindingCode.MINT_UNREADABLE, USDC, 0)]
    assert plan.findings[0].explanation == f"mint {USDC}: no such mint"


@pytest.mark.parametrize(("rent", "is_worth_it"), [(900, False), (901, True)])
def test_closing_alone_must_bring_more_than_it_costs(rent: int, is_worth_it: bool) -> None:
    parts = (token(lamports=rent - 300), token(0, PYUSD, lamports=300))
    for plan in (plan_sweep, plan_close):
        assert (plan(wallet(), holds(0, *parts), ROUTE).leg is not None) is is_worth_it
    left = plan_close(wallet(), holds(0, *parts), ROUTE).findings
    assert [one.code for one in left] == ([] if is_worth_it else [FindingCode.UNECONOMIC])
    if left:
        assert (left[0].mint, left[0].amount) == (None, 0)
        assert left[0].explanation == "closing would bring 900 lamports of rent and cost 900 of fee"


@pytest.mark.parametrize("holdings", [holds(1, token(lamports=0)), holds(0, token(1, lamports=0))])
def test_moving_money_is_always_worth_its_fee(holdings: Holdings) -> None:
    assert plan_sweep(wallet(), holdings, replace(ROUTE, leg_cost=10**9)).leg is not None


@pytest.mark.parametrize("holdings", [holds(1), holds(0, token(1)), holds(unreadable={USDC: "no such mint"})])
def test_a_wallet_that_holds_something_is_never_closed(holdings: Holdings) -> None:
    with pytest.raises(ValueError, match="wallet 3 holds money"):
        plan_close(wallet(), holdings, ROUTE)


def test_every_account_that_can_close_is_closed_and_the_others_are_named() -> None:
    plain, taxed = token(), token(0, PYUSD, program=TOKEN_2022, withheld=1)
    stuck = token(cannot_close="somebody else may close it")
    plan = plan_close(wallet(), holds(0, stuck, plain, taxed), ROUTE)
    assert plan.leg is not None
    assert (plan.leg.wallet_id, plan.leg.owner) == (3, OWNER)
    assert plan.leg.steps == (
        (CloseAccount(plain.account, CLASSIC, 1_000, FEE_PAYER),),
        (
            HarvestWithheld(taxed.account, PYUSD, TOKEN_2022, 1),
            CloseAccount(taxed.account, TOKEN_2022, 1_000, FEE_PAYER),
        ),
    )
    assert told(plan) == [(FindingCode.ACCOUNT_STUCK, USDC, 0)]
    assert plan.findings[0].explanation == "somebody else may close it"
    alone = plan_close(wallet(), holds(0, stuck), ROUTE)
    assert (alone.leg, told(alone)) == (None, [(FindingCode.ACCOUNT_STUCK, USDC, 0)])


def test_a_wallet_without_a_payment_has_findings_too() -> None:
    plan = plan_sweep(replace(wallet(), payment=None), holds(unreadable={USDC: "no such mint"}), ROUTE)
    assert [(one.wallet_id, one.payment_id) for one in plan.findings] == [(3, None)]


TOKENS = st.builds(
    token,
    st.integers(0, 3),
    st.sampled_from([USDC, PYUSD, Pubkey.new_unique()]),
    withheld=st.integers(0, 1),
    lamports=st.sampled_from([0, 2_000]),
    obstacles=st.sampled_from([frozenset(), FROZEN]),
    cannot_close=st.sampled_from([None, "no"]),
)


@settings(max_examples=60, deadline=None)
@given(st.builds(holds, st.integers(0, 20), TOKENS, TOKENS), st.integers(0, 10))
def test_every_unit_is_moved_home_or_named(holdings: Holdings, minimum: int) -> None:
    plan = plan_sweep(wallet(), holdings, replace(ROUTE, receiver_minimum=minimum))
    actions = () if plan.leg is None else plan.leg.actions
    accounted: dict[Pubkey | None, int] = {}
    for action in actions:
        if isinstance(action, MoveLamports):
            assert action.destination == RECEIVER
            accounted[None] = accounted.get(None, 0) + action.lamports
        elif isinstance(action, MoveTokens):
            assert action.destination == HOME[action.mint].account
            accounted[action.mint] = accounted.get(action.mint, 0) + action.amount
        elif isinstance(action, CloseAccount):
            assert action.rent_to == FEE_PAYER
    for finding in plan.findings:
        if finding.amount:
            accounted[finding.mint] = accounted.get(finding.mint, 0) + finding.amount
    assert accounted == holdings.balances()
    stuck = {
        one.account
        for one in holdings.tokens
        if one.amount and (one.obstacles or one.mint.address not in HOME)
    }
    assert not stuck & {action.account for action in actions if isinstance(action, CloseAccount)}


OUTER, INNER, THROUGH = (Pubkey.new_unique() for _ in range(3))
RENTS = {USDC: 2_000, PYUSD: 2_500}


def nested(
    amount: int = 5, *, opened: frozenset[Pubkey] = frozenset({OUTER, INNER, THROUGH}), **how: Any
) -> NestedHolding:
    held = token(amount, account=INNER, **how)
    return NestedHolding(held, OUTER, Mint(PYUSD, CLASSIC, 6), THROUGH, opened)


def with_nested(*within: NestedHolding, lamports: int = 0) -> Holdings:
    open_ones = {address for one in within for address in one.opened}
    own = [token(account=at, mint=mint) for at, mint in ((OUTER, PYUSD), (THROUGH, USDC)) if at in open_ones]
    return replace(holds(lamports, *own), nested=within)


def actions_of(plan: Plan) -> tuple[object, ...]:
    assert plan.leg is not None
    return plan.leg.actions


def test_nested_tokens_come_into_the_wallet_first_and_keep_their_way_open() -> None:
    route = replace(ROUTE, rents=RENTS)
    plan = plan_sweep(wallet(), with_nested(nested()), route)
    recover = RecoverNested(INNER, USDC, CLASSIC, 5, OUTER, PYUSD, THROUGH, 1_000, FEE_PAYER)
    assert (actions_of(plan), plan.findings) == ((recover,), ())
    closed = plan_sweep(wallet(), with_nested(nested(opened=frozenset({INNER}))), route)
    assert actions_of(closed) == (
        OpenAccount(PYUSD, CLASSIC, FEE_PAYER, lamports=2_500),
        OpenAccount(USDC, CLASSIC, FEE_PAYER, lamports=2_000),
        recover,
    )


def test_of_two_that_belong_to_one_closed_account_the_first_opens_it() -> None:
    first, second = (nested(opened=frozenset({INNER, THROUGH})) for _ in range(2))
    plan = plan_sweep(wallet(), with_nested(first, second), replace(ROUTE, rents=RENTS))
    assert [type(one) for one in actions_of(plan)] == [OpenAccount, RecoverNested, RecoverNested]


def test_nested_tokens_that_cannot_move_are_named_and_their_way_stays_open() -> None:
    for stuck in (
        nested(obstacles=FROZEN),
        nested(cannot_close="somebody else may"),
        replace(nested(), out_of_reach="too deep"),
        replace(nested(), outer_mint=None),
    ):
        plan = plan_sweep(wallet(), with_nested(stuck), replace(ROUTE, rents=RENTS))
        assert told(plan) == [(FindingCode.TOKEN_STUCK, USDC, 5)]
        assert str(INNER) in plan.findings[0].explanation
        assert [one.account for one in actions_of(plan) if isinstance(one, CloseAccount)] == [THROUGH]


def test_an_account_of_the_wallet_stays_open_beside_held_money_that_belongs_to_it() -> None:
    plan = plan_close_empties(wallet(), with_nested(nested()), replace(ROUTE, rents=RENTS))
    assert plan == Plan(None)


def test_an_empty_nested_account_is_closed_where_its_rent_pays_for_two_transactions() -> None:
    for lamports, expected in ((1_801, [RecoverNested]), (1_800, [CloseAccount, CloseAccount])):
        plan = plan_close(wallet(), with_nested(nested(0, lamports=lamports)), replace(ROUTE, rents=RENTS))
        assert [type(one) for one in actions_of(plan)] == expected


def test_what_nobody_asked_for_is_told_of_a_paid_wallet_and_set_aside_in_another() -> None:
    strange = token(7, Pubkey.new_unique(), obstacles=FROZEN)
    paid = wallet(payment(PaymentStatus.CONFIRMED))
    assert [one.code for one in plan_sweep(paid, holds(0, strange), ROUTE).findings] == [FindingCode.UNASKED]
    assert plan_sweep(paid, holds(0, strange), ROUTE).is_at_rest
    held = plan_sweep(wallet(), holds(0, strange), ROUTE)
    assert [one.code for one in held.findings] == [FindingCode.TOKEN_STUCK]
    assert not held.is_at_rest
