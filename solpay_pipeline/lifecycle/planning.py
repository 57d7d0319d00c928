"""From what a wallet holds to what it must do: pure, so that a property test can ask anything of it.

A plan moves all that can be moved and names the rest. It never leaves a reason out: money that no action
touches is in `findings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.actions import (
    Action,
    CloseAccount,
    HarvestWithheld,
    Leg,
    MoveLamports,
    MoveTokens,
)
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.holdings import Holdings, TokenHolding
from solpay_pipeline.lifecycle.terms import Wallet


@dataclass(frozen=True, slots=True)
class TokenDestination:
    """Where tokens of a mint go: the receiver's ATA; `obstacle` says why it cannot take them."""

    account: Pubkey
    memo_required: bool = False
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where everything goes. `receiver_minimum` is what a transfer must bring to open the receiver's account,
    0 where it exists. `leg_cost` is what one more wallet costs in fees, in lamports.
    """

    receiver: Pubkey
    fee_payer: Pubkey
    tokens: Mapping[Pubkey, TokenDestination]
    receiver_minimum: int = 0
    leg_cost: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """`leg` is None where nothing is to be done on chain. `findings` name what stays, and why."""

    leg: Leg | None
    findings: tuple[Finding, ...] = ()


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
        step = move + _closing(token, route.fee_payer)
        if step:
            steps.append(step)
        if token.cannot_close is not None:
            findings.append(
                _finding(wallet, FindingCode.ACCOUNT_STUCK, token.cannot_close, token.mint.address)
            )
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
    findings = []
    steps = []
    for token in holdings.tokens:
        if token.cannot_close is not None:
            findings.append(
                _finding(wallet, FindingCode.ACCOUNT_STUCK, token.cannot_close, token.mint.address)
            )
        else:
            steps.append(_closing(token, route.fee_payer))
    if steps and not _worth(steps, route.leg_cost):
        rent = sum(token.lamports for token in holdings.tokens)
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


def _closing(token: TokenHolding, rent_to: Pubkey) -> tuple[Action, ...]:
    if token.cannot_close is not None:
        return ()
    # Wrapped SOL leaves as tokens before; what closing then pays out is the rent alone.
    rent = token.lamports - token.amount if token.is_native else token.lamports
    close = CloseAccount(token.account, token.mint.program, rent, rent_to, unwraps=token.is_native)
    if token.withheld == 0:
        return (close,)
    harvest = HarvestWithheld(token.account, token.mint.address, token.mint.program, token.withheld)
    return (harvest, close)


def _worth(steps: list[tuple[Action, ...]], leg_cost: int) -> bool:
    """Moving money is always worth it; closing alone only where the rent exceeds the fee."""
    actions = [action for step in steps for action in step]
    if any(isinstance(action, (MoveLamports, MoveTokens)) for action in actions):
        return True
    rent = sum(action.lamports for action in actions if isinstance(action, CloseAccount))
    return rent > leg_cost


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
