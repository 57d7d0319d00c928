"""From what a wallet holds to what it must do: pure, so that a property test can ask anything of it.

A plan moves all that can be moved and names the rest. It never leaves a reason out: money that no action
touches is in `findings`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle import recovery
from solpay_pipeline.lifecycle.actions import (
    Action,
    CloseAccount,
    HarvestWithheld,
    Leg,
    MoveLamports,
    MoveTokens,
    OpenAccount,
    RecoverNested,
)
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.holdings import Holdings, Mint, NestedHolding, TokenHolding
from solpay_pipeline.lifecycle.terms import ACCEPTED, Wallet


@dataclass(frozen=True, slots=True)
class TokenDestination:
    """Where tokens of a mint go: the receiver's ATA; `obstacle` says why it cannot take them."""

    account: Pubkey
    memo_required: bool = False
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class BareAddress:
    """A token account's address without an account: of which mint it is, and what opening it takes, in lamports."""

    mint: Mint
    minimum: int


@dataclass(frozen=True, slots=True)
class Route:
    """Where everything goes. `receiver_minimum` is what a transfer must bring to open the receiver's account,
    0 where it exists. `leg_cost` is what one more wallet costs in fees, in lamports. `bare` are addresses of
    wallets' accounts at which lamports lie, but no account is open. `rents` is what opening an account takes, by mint.
    """

    receiver: Pubkey
    fee_payer: Pubkey
    tokens: Mapping[Pubkey, TokenDestination]
    receiver_minimum: int = 0
    leg_cost: int = 0
    bare: Mapping[Pubkey, BareAddress] = field(default_factory=dict)
    rents: Mapping[Pubkey, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """`leg` is None where nothing is to be done on chain. `findings` name what stays, and why."""

    leg: Leg | None
    findings: tuple[Finding, ...] = ()

    @property
    def is_at_rest(self) -> bool:
        """Nothing is left to do, now or later: what stays is only told."""
        return self.leg is None and not any(one.is_set_aside for one in self.findings)


_UNKNOWN_RENT = "more lamports are in it than such an account is opened with, and no history tells its rent"


def plan_sweep(wallet: Wallet, holdings: Holdings, route: Route) -> Plan:
    """Move every lamport and every token unit home, and close what is empty afterwards.

    What lies in nested accounts comes into the wallet first: the next plan finds it there, in an open account.
    """
    nested = _plan_nested(wallet, holdings, route)
    parts = (
        _plan_lamports(wallet, holdings, route),
        nested,
        _plan_tokens(wallet, holdings, route, nested.kept_open),
        _plan_bare(wallet, holdings, route, nested.kept_open),
    )
    steps = [step for part in parts for step in part.steps]
    if not _worth(steps, route.leg_cost):
        steps = []
    findings = [*_unreadable_mints(wallet, holdings), *(one for part in parts for one in part.findings)]
    return Plan(_leg(wallet, holdings, steps), tuple(_as_asked_for(wallet, one) for one in findings))


def plan_close(wallet: Wallet, holdings: Holdings, route: Route) -> Plan:
    """Close the empty token accounts of a wallet that holds no money.

    Accounts stay open, with a finding, where the rent that comes back (read from the chain) does not exceed
    the wallet's share of the fee.
    """
    if not holdings.is_empty:
        raise ValueError(f"wallet {wallet.id} holds money and must not be closed")
    return plan_close_empties(wallet, holdings, route)


def plan_close_empties(wallet: Wallet, holdings: Holdings, route: Route) -> Plan:
    """Close those token accounts that hold nothing but their rent, whatever the others and the wallet hold.

    As `plan_close` where the rent is not worth the fee.
    """
    inner = _plan_nested(wallet, replace(holdings, nested=_empty_nested(holdings)), route)
    needed = {address for one in holdings.nested for address in one.accounts if not one.token.is_empty}
    findings: list[Finding] = []
    steps = list(inner.steps)
    empties = [
        token for token in holdings.tokens if token.is_empty and token.account not in needed | inner.kept_open
    ]
    for token in empties:
        if token.cannot_close is not None:
            findings.append(
                _finding(wallet, FindingCode.ACCOUNT_STUCK, token.cannot_close, token.mint.address)
            )
        else:
            steps.append(_closing(token, route))
    if steps and not _worth(steps, route.leg_cost):
        rent = sum(token.rent for token in (*empties, *(one.token for one in _empty_nested(holdings))))
        findings.append(
            _finding(
                wallet,
                FindingCode.UNECONOMIC,
                f"closing would bring {rent} lamports of rent and cost {route.leg_cost} of fee",
                None,
            )
        )
        steps = []
    told = tuple(_as_asked_for(wallet, one) for one in findings)
    return Plan(_leg(wallet, holdings, steps), told)


@dataclass(frozen=True, slots=True)
class _Part:
    """What is to be done about one part of the holdings. `kept_open` are accounts that other steps need open."""

    steps: tuple[tuple[Action, ...], ...]
    findings: tuple[Finding, ...] = ()
    kept_open: frozenset[Pubkey] = frozenset()


def _plan_lamports(wallet: Wallet, holdings: Holdings, route: Route) -> _Part:
    if not holdings.lamports:
        return _Part(())
    stuck = _lamports_obstacle(holdings, route)
    if stuck is None:
        return _Part(((MoveLamports(holdings.lamports, route.receiver),),))
    return _Part((), (_finding(wallet, FindingCode.LAMPORTS_STUCK, stuck, None, holdings.lamports),))


def _plan_tokens(wallet: Wallet, holdings: Holdings, route: Route, kept_open: Collection[Pubkey]) -> _Part:
    steps: list[tuple[Action, ...]] = []
    findings: list[Finding] = []
    for token in holdings.tokens:
        mint = token.mint.address
        obstacle = _token_obstacle(token, route)
        if obstacle is not None:
            findings.append(_finding(wallet, obstacle[0], obstacle[1], mint, token.amount))
            continue
        step = _move(token, route)
        if token.account not in kept_open:
            step += _closing(token, route)
        if step:
            steps.append(step)
        if token.funds is None:
            findings.append(_finding(wallet, FindingCode.ACCOUNT_STUCK, _UNKNOWN_RENT, mint))
        if token.cannot_close is not None:
            findings.append(_finding(wallet, FindingCode.ACCOUNT_STUCK, token.cannot_close, mint))
    return _Part(tuple(steps), tuple(findings))


def _plan_bare(wallet: Wallet, holdings: Holdings, route: Route, kept_open: Collection[Pubkey]) -> _Part:
    steps: list[tuple[Action, ...]] = []
    findings: list[Finding] = []
    for address, lamports in holdings.bare.items():
        if address in kept_open:
            continue
        opened = _open_and_close(address, lamports, route)
        if opened is None:
            words = f"{lamports} lamports lie at {address}, where no account is open"
            findings.append(_finding(wallet, FindingCode.LAMPORTS_STUCK, words, None, lamports))
        else:
            steps.append(opened)
    return _Part(tuple(steps), tuple(findings))


def _plan_nested(wallet: Wallet, holdings: Holdings, route: Route) -> _Part:
    steps: list[tuple[Action, ...]] = []
    findings: list[Finding] = []
    kept_open: set[Pubkey] = set()
    for nested in holdings.nested:
        token = nested.token
        stuck = _nested_obstacle(nested, holdings, route)
        if stuck is None and _is_worth_recovering(token, route):
            steps.append(
                recovery.recovery(
                    nested,
                    route.rents,
                    opened=kept_open,
                    receiver=route.receiver,
                    fee_payer=route.fee_payer,
                )
            )
            kept_open.update((nested.outer, nested.destination))
        elif stuck is not None and not token.is_empty:
            if not (_is_paid(wallet) and _is_unasked(wallet, token.mint.address)):
                # The account that it belongs to is the only way to it.
                kept_open.add(nested.outer)
            asset, amount = (token.mint.address, token.amount) if token.amount else (None, token.funds or 0)
            findings.append(_finding(wallet, stuck[0], stuck[1], asset, amount))
    return _Part(tuple(steps), tuple(findings), frozenset(kept_open))


def _is_worth_recovering(token: TokenHolding, route: Route) -> bool:
    """Rent alone pays for two transactions: the second closes the accounts that it came through."""
    return not token.is_empty or token.rent > 2 * route.leg_cost


def _empty_nested(holdings: Holdings) -> tuple[NestedHolding, ...]:
    return tuple(one for one in holdings.nested if one.token.is_empty)


def _nested_obstacle(
    nested: NestedHolding, holdings: Holdings, route: Route
) -> tuple[FindingCode, str] | None:
    token = nested.token
    why = recovery.obstacle(nested, holdings.tokens)
    if why is not None:
        held = f"{token.amount} base units" if token.amount else f"{token.funds or 0} lamports"
        where = f"{token.account}, which belongs to the wallet's token account {nested.outer}"
        code = FindingCode.TOKEN_STUCK if token.amount else FindingCode.LAMPORTS_STUCK
        return code, f"{held} cannot leave {where}: {why}"
    return _token_obstacle(token, route)


def _is_unasked(wallet: Wallet, mint: Pubkey) -> bool:
    return wallet.payment is not None and mint not in wallet.payment.mints


def _is_paid(wallet: Wallet) -> bool:
    return wallet.payment is not None and wallet.payment.status in ACCEPTED


def _as_asked_for(wallet: Wallet, finding: Finding) -> Finding:
    """A token that nobody asked for keeps no wallet from its rest: what stays of it is only told.

    Units in a wallet that was not paid may be what its customer meant to pay with: they stay somebody's business.
    """
    is_account = finding.code is FindingCode.ACCOUNT_STUCK
    if finding.mint is None or not _is_unasked(wallet, finding.mint) or not (is_account or _is_paid(wallet)):
        return finding
    words = f"a token that nobody asked for stays where it is: {finding.explanation}"
    return replace(finding, code=FindingCode.UNASKED, explanation=words)


def _leg(wallet: Wallet, holdings: Holdings, steps: list[tuple[Action, ...]]) -> Leg | None:
    return Leg(wallet.id, holdings.owner, tuple(steps)) if steps else None


def _move(token: TokenHolding, route: Route) -> tuple[Action, ...]:
    if token.amount == 0:
        return ()
    destination = route.tokens[token.mint.address]
    return (
        MoveTokens(
            source=token.account,
            mint=token.mint.address,
            program=token.mint.program,
            decimals=token.mint.decimals,
            amount=token.amount,
            destination=destination.account,
            memo=destination.memo_required,
        ),
    )


def _closing(token: TokenHolding, route: Route) -> tuple[Action, ...]:
    """Close an account that is empty by then: its rent goes to the fee payer, what was sent beyond it home."""
    if token.cannot_close is not None or token.funds is None:
        return ()
    close = CloseAccount(
        token.account,
        token.mint.program,
        token.rent,
        route.fee_payer,
        unwraps=token.is_native,
        funds=token.funds,
        funds_to=route.receiver if token.funds else None,
    )
    if token.withheld == 0:
        return (close,)
    harvest = HarvestWithheld(token.account, token.mint.address, token.mint.program, token.withheld)
    return (harvest, close)


def _open_and_close(address: Pubkey, lamports: int, route: Route) -> tuple[Action, ...] | None:
    """Bare lamports leave an address only through an account there; None where none can be opened."""
    opening = route.bare.get(address)
    if opening is None:
        return None
    mint = opening.mint
    return (
        OpenAccount(mint.address, mint.program, route.fee_payer),
        CloseAccount(
            address,
            mint.program,
            max(0, opening.minimum - lamports),
            route.fee_payer,
            funds=lamports,
            funds_to=route.receiver,
        ),
    )


def _worth(steps: list[tuple[Action, ...]], leg_cost: int) -> bool:
    """Moving money is always worth it; closing alone only where the rent exceeds the fee."""
    actions = [action for step in steps for action in step]
    if any(_moves_money(action) for action in actions):
        return True
    rent = sum(action.lamports for action in actions if isinstance(action, (CloseAccount, RecoverNested)))
    return rent > leg_cost


def _moves_money(action: Action) -> bool:
    match action:
        case MoveLamports() | MoveTokens():
            return True
        case RecoverNested():
            return action.amount > 0 or action.funds_to is not None
        case CloseAccount():
            return action.funds_to is not None
        case _:
            return False


def _token_obstacle(token: TokenHolding, route: Route) -> tuple[FindingCode, str] | None:
    if token.amount == 0:
        return None
    if token.obstacles:
        named = ", ".join(sorted(token.obstacles))
        return FindingCode.TOKEN_STUCK, f"{token.amount} base units cannot leave {token.account}: {named}"
    destination = route.tokens.get(token.mint.address)
    if destination is None:
        return (
            FindingCode.DESTINATION_UNFIT,
            f"no account of the receiver is known for mint {token.mint.address}",
        )
    if destination.obstacle is not None:
        return (
            FindingCode.DESTINATION_UNFIT,
            f"the receiver's account {destination.account}: {destination.obstacle}",
        )
    return None


def _lamports_obstacle(holdings: Holdings, route: Route) -> str | None:
    if holdings.cannot_move_lamports is not None:
        return holdings.cannot_move_lamports
    if holdings.lamports < route.receiver_minimum:
        return (
            f"the receiver {route.receiver} does not exist on chain yet, and {holdings.lamports} lamports are "
            f"less than the {route.receiver_minimum} that open it: send it some SOL once"
        )
    return None


def _unreadable_mints(wallet: Wallet, holdings: Holdings) -> list[Finding]:
    return [
        _finding(wallet, FindingCode.MINT_UNREADABLE, f"mint {mint}: {why}", mint)
        for mint, why in holdings.unreadable.items()
    ]


def _finding(
    wallet: Wallet, code: FindingCode, explanation: str, mint: Pubkey | None, amount: int = 0
) -> Finding:
    payment_id = wallet.payment.id if wallet.payment is not None else None
    return Finding(code, wallet.id, payment_id, explanation, mint, amount)
