"""What a wallet is asked to do, in the chain's own verbs but free of its wire format."""

from dataclasses import dataclass

from solders.pubkey import Pubkey


@dataclass(frozen=True, slots=True)
class MoveLamports:
    """System transfer of `lamports` from the wallet to `destination`."""

    lamports: int
    destination: Pubkey


@dataclass(frozen=True, slots=True)
class MoveTokens:
    """TransferChecked of `amount` base units from `source` to the token account `destination`."""

    source: Pubkey
    mint: Pubkey
    program: Pubkey
    decimals: int
    amount: int
    destination: Pubkey
    memo: bool = False
    """The destination demands a memo right before the transfer (Token-2022 MemoTransfer)."""


@dataclass(frozen=True, slots=True)
class HarvestWithheld:
    """HarvestWithheldTokensToMint: give the transfer fees that stick in `account` back to its mint."""

    account: Pubkey
    mint: Pubkey
    program: Pubkey
    amount: int


@dataclass(frozen=True, slots=True)
class CloseAccount:
    """CloseAccount of a token account without tokens; `lamports` of it, its rent, go to `rent_to`.

    `unwraps` stands for one of wrapped SOL, which closes with money in it as well: that stays in the wallet. `funds`
    are lamports beyond its rent, which go to `funds_to`.
    """

    account: Pubkey
    program: Pubkey
    lamports: int
    rent_to: Pubkey
    unwraps: bool = False
    funds: int = 0
    funds_to: Pubkey | None = None


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """Open the wallet's own ATA, or that of `owner`, paid by `payer`: only so can what lies there leave it.

    `lamports` is what `payer` puts into one that a later transaction closes, 0 where the same step closes it again.
    """

    mint: Pubkey
    program: Pubkey
    payer: Pubkey
    owner: Pubkey | None = None
    lamports: int = 0


@dataclass(frozen=True, slots=True)
class RecoverNested:
    """RecoverNested: all tokens of `account`, an ATA of the wallet's ATA `outer`, into the wallet's own ATA.

    The program closes `account` and pays its lamports to the wallet. Its rent, `lamports`, goes on to `rent_to`, and
    what was sent beyond it, `funds`, to `funds_to`.
    """

    account: Pubkey
    mint: Pubkey
    program: Pubkey
    amount: int
    outer: Pubkey
    outer_mint: Pubkey
    destination: Pubkey
    lamports: int
    rent_to: Pubkey
    funds: int = 0
    funds_to: Pubkey | None = None


Action = MoveLamports | MoveTokens | HarvestWithheld | CloseAccount | OpenAccount | RecoverNested


@dataclass(frozen=True, slots=True)
class Leg:
    """One wallet's part of a transaction.

    `steps` are groups of actions that only make sense together in one transaction (move, harvest, close of
    one account); a leg that is too large for a transaction is cut between steps, never inside one.
    """

    wallet_id: int
    owner: Pubkey
    steps: tuple[tuple[Action, ...], ...]

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions in order."""
        return tuple(action for step in self.steps for action in step)
