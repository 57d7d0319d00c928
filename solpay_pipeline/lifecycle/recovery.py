"""How tokens come home that somebody sent to an account of the wallet's own token account.

Its owner, `outer`, is an ATA of the wallet, for which nobody can sign but the program of associated token accounts. Its
RecoverNested moves all tokens into the wallet's own ATA of their mint, closes the account and pays its lamports to the
wallet. What the account was opened with is rent and goes on to the fee payer, as of any other account; what is more is
funds. The wallet's two accounts must be open for it; they are closed when the tokens have gone on.
"""

from collections.abc import Collection, Iterator, Mapping

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.actions import Action, HarvestWithheld, OpenAccount, RecoverNested
from solpay_pipeline.lifecycle.holdings import Mint, NestedHolding, Obstacle, TokenHolding


def obstacle(nested: NestedHolding, own: Collection[TokenHolding]) -> str | None:
    """Why a nested account cannot be emptied into the wallet, in words; `own` are the wallet's open accounts."""
    token = nested.token
    through = next((one for one in own if one.account == nested.destination), None)
    if nested.out_of_reach is not None:
        return nested.out_of_reach
    if nested.outer_mint is None:
        return f"nothing tells of which mint the account {nested.outer} is that it belongs to"
    if token.obstacles:
        return ", ".join(sorted(token.obstacles))
    if token.cannot_close is not None:
        return token.cannot_close
    if token.funds is None:
        return "more lamports are in it than such an account is opened with, and no history tells its rent"
    if through is not None and Obstacle.FROZEN in through.obstacles:
        return f"the wallet's own account {nested.destination}, through which it must go, is frozen"
    return None


def recovery(
    nested: NestedHolding,
    rents: Mapping[Pubkey, int],
    *,
    opened: Collection[Pubkey],
    receiver: Pubkey,
    fee_payer: Pubkey,
) -> tuple[Action, ...]:
    """Empty a nested account without an obstacle into the wallet, in one step.

    `rents` is what opening an account takes, by mint, in lamports; `opened` are addresses that earlier steps open.
    """
    token, outer_mint = nested.token, nested.outer_mint
    if outer_mint is None:
        raise ValueError(f"the mint of {nested.outer} is not known")
    own = ((nested.outer, outer_mint), (nested.destination, token.mint))
    steps: list[Action] = [
        OpenAccount(mint.address, mint.program, fee_payer, lamports=rents[mint.address])
        for address, mint in own
        if address not in nested.opened and address not in opened
    ]
    rent, funds = token.rent, token.funds or 0
    if token.account not in nested.opened:
        # Lamports lie at its address alone. Opening adds what they lack of a token account's minimum.
        rent = max(0, rents[token.mint.address] - token.lamports)
        steps.append(OpenAccount(token.mint.address, token.mint.program, fee_payer, nested.outer))
    if token.withheld:
        steps.append(HarvestWithheld(token.account, token.mint.address, token.mint.program, token.withheld))
    steps.append(
        RecoverNested(
            account=token.account,
            mint=token.mint.address,
            program=token.mint.program,
            amount=token.amount,
            outer=nested.outer,
            outer_mint=outer_mint.address,
            destination=nested.destination,
            lamports=rent,
            rent_to=fee_payer,
            funds=funds,
            funds_to=receiver if funds else None,
        )
    )
    return tuple(steps)


def mints_to_open(nested: NestedHolding) -> Iterator[Mint]:
    """The mints whose accounts may have to be opened to empty a nested account."""
    yield nested.token.mint
    if nested.outer_mint is not None:
        yield nested.outer_mint
