"""From what a wallet holds to what it must do: pure, so that a property test can ask anything of it.

A plan moves all that can be moved and names the rest. It never leaves a reason out: money that no action
touches is in `findings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.actions import (
    Action,
    CloseAccount,
    HarvestWithheld,
    Leg,
    MoveLamports,
    MoveTokens,
    OpenAccount,
)
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.holdings import Holdings, Mint, TokenHolding
from solpay_pipeline.lifecycle.terms import Wallet


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
    wallets' accounts at which lamports lie, but no account is open.
    """

    receiver: Pubkey
    fee_payer: Pubkey
    tokens: Mapping[Pubkey, TokenDestination]
    receiver_minimum: int = 0
    leg_cost: int = 0
    bare: Mapping[Pubkey, BareAddress] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """`leg` is None where nothing is to be done on chain. `findings` name what stays, and why."""

    leg: Leg | None
    findings: tuple[Finding, ...] = ()


_UNKNOWN_RENT = "more lamports are in it than such an account is opened with, and no history tells its rent"


def plan_sweep(wallet: Wallet, holdings: Holdings, route: Route) -> Plan:
    """Move every lamport and every token unit home, and close what is empty afterwards."""
    steps: list[tuple[Action, ...]] = []
    findings: list[Finding] = _unreadable_mints(wallet, holdings)
    if holdings.lamports:
        stuck = _lamports_obstacle(holdings, route)
        if stuck is None:
            steps.append((MoveLamports(holdings.lamports, route.receiver),))
        else:
            findings.append(_finding(wallet, FindingCode.LAMPORTS_STUCK, stuck, None, holdings.lamports))
    for token in holdings.tokens:
        obstacle = _token_obstacle(token, route)
        if obstacle is not None:
            findings.append(_finding(wallet, obstacle[0], obstacle[1], token.mint.address, token.amount))
            continue
        move = _move(token, route)
        step = move + _closing(token, route)
        if step:
            steps.append(step)
        if token.funds is None:
            findings.append(_finding(wallet, FindingCode.ACCOUNT_STUCK, _UNKNOWN_RENT, token.mint.address))
        if token.cannot_close is not None:
            findings.append(
                _finding(wallet, FindingCode.ACCOUNT_STUCK, token.cannot_close, token.mint.address)
            )
    for address, lamports in holdings.bare.items():
        opened = _open_and_close(address, lamports, route)
        if opened is None:
            words = f"{lamports} lamports lie at {address}, where no account is open"
            findings.append(_finding(wallet, FindingCode.LAMPORTS_STUCK, words, None, lamports))
        else:
            steps.append(opened)
    if not _worth(steps, route.leg_cost):
        steps = []
    return Plan(_leg(wallet, holdings, steps), tuple(findings))


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
    findings = []
    steps = []
    empties = [token for token in holdings.tokens if token.is_empty]
    for token in empties:
        if token.cannot_close is not None:
            findings.append(
                _finding(wallet, FindingCode.ACCOUNT_STUCK, token.cannot_close, token.mint.address)
            )
        else:
            steps.append(_closing(token, route))
    if steps and not _worth(steps, route.leg_cost):
        rent = sum(token.rent for token in empties)
        findings.append(
            _finding(
                wallet,
                FindingCode.UNECONOMIC,
                f"closing would bring {rent} lamports of rent and cost {route.leg_cost} of fee",
                None,
            )
        )
        steps = []
    return Plan(_leg(wallet, holdings, steps), tuple(findings))


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
    if any(isinstance(action, (MoveLamports, MoveTokens)) or _moves_funds(action) for action in actions):
        return True
    rent = sum(action.lamports for action in actions if isinstance(action, CloseAccount))
    return rent > leg_cost


def _moves_funds(action: Action) -> bool:
    return isinstance(action, CloseAccount) and action.funds_to is not None


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
