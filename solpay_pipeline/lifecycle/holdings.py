"""What the chain says a wallet holds, in base units, as of one slot."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from solders.pubkey import Pubkey


class Obstacle(StrEnum):
    """Why a token balance cannot leave its account by our hand. The value is shown to people."""

    FROZEN = "frozen"
    PAUSED = "paused"
    NON_TRANSFERABLE = "non_transferable"
    TRANSFER_HOOK = "transfer_hook"
    CONFIDENTIAL = "confidential_balance"
    FOREIGN_OWNER = "foreign_owner"
    UNREADABLE = "unreadable_mint"


@dataclass(frozen=True, slots=True)
class Mint:
    """A mint account. `has_transfer_fee`: a transfer may cost its receiver a part of the amount.

    `others_can_take`: its permanent delegate can move or burn what a wallet holds, by a transaction that does not name
    the wallet. `account_bytes` is the size of a new ATA of it. `shown` says in words how programs for people show an
    amount where that is not its base units; it has no part in any price.
    """

    address: Pubkey
    program: Pubkey
    decimals: int
    obstacles: frozenset[Obstacle] = frozenset()
    has_transfer_fee: bool = False
    extensions: tuple[str, ...] = ()
    others_can_take: bool = False
    account_bytes: int = 165
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class UnreadableMint:
    """What stands at the address of a mint that cannot be used; `reason` says why, in words."""

    reason: str


def mint_text(mint: Pubkey | None) -> str:
    """A mint as people and events name it: its address, or `SOL` for lamports (None)."""
    return "SOL" if mint is None else str(mint)


@dataclass(frozen=True, slots=True)
class TokenHolding:
    """One token account of a wallet.

    `lamports` is the account's whole balance, which closing pays out. `funds` are those beyond what the account was
    opened with: somebody sent them; None where only the account's opening can tell. `withheld` are transfer fees kept
    in the account, to be harvested to the mint before it can close. `cannot_close` is None when it can, otherwise the
    reason in words.
    """

    account: Pubkey
    mint: Mint
    amount: int
    lamports: int
    withheld: int = 0
    is_native: bool = False
    obstacles: frozenset[Obstacle] = frozenset()
    cannot_close: str | None = None
    funds: int | None = 0

    @property
    def rent(self) -> int:
        """Lamports that it was opened with, which go back to the fee payer; wrapped SOL leaves as tokens before."""
        return self.lamports - (self.amount if self.is_native else 0) - (self.funds or 0)

    @property
    def is_empty(self) -> bool:
        """Nothing is in it but its rent."""
        return self.amount == 0 and self.funds == 0


@dataclass(frozen=True, slots=True)
class NestedHolding:
    """A token account that belongs to a token account of the wallet, `outer`: tokens were sent there by mistake.

    They come home through `destination`, the wallet's own ATA of their mint. `outer_mint` is None where it is not known
    or cannot be read. `opened` are those of the three accounts that are open. `out_of_reach` is None, or why no
    instruction moves what it holds, in words.
    """

    token: TokenHolding
    outer: Pubkey
    outer_mint: Mint | None
    destination: Pubkey
    opened: frozenset[Pubkey]
    out_of_reach: str | None = None

    @property
    def accounts(self) -> tuple[Pubkey, Pubkey, Pubkey]:
        """Itself, the account that it belongs to, and the one through which it is emptied."""
        return self.token.account, self.outer, self.destination


@dataclass(frozen=True, slots=True)
class Holdings:
    """All of one wallet at `slot`: its lamports and its token accounts that exist.

    `absent` are the ATAs, among those of the payment's mints, that do not exist on chain; `bare` are lamports that lie
    at such an address all the same. `unreadable` names,
    per mint of the payment, why it could not be understood (no such mint, not a token program's).
    `cannot_move_lamports` is None, or why the system account cannot be drained (owned by another program). `nested` are
    accounts that belong to its token accounts, as far as something pointed there.
    """

    owner: Pubkey
    slot: int
    lamports: int
    tokens: tuple[TokenHolding, ...] = ()
    absent: tuple[Pubkey, ...] = ()
    unreadable: dict[Pubkey, str] = field(default_factory=dict)
    cannot_move_lamports: str | None = None
    bare: Mapping[Pubkey, int] = field(default_factory=dict)
    nested: tuple[NestedHolding, ...] = ()

    @property
    def accounts(self) -> tuple[TokenHolding, ...]:
        """All token accounts, nested ones among them."""
        return (*self.tokens, *(one.token for one in self.nested))

    def unknown_of(self, mints: Collection[Pubkey]) -> dict[Pubkey, str]:
        """Of these mints and of the wallet's own address what cannot be read, and why."""
        return {one: why for one, why in self.unreadable.items() if one == self.owner or one in mints}

    @property
    def is_empty(self) -> bool:
        """No lamports, no token units, and nothing that could not be read; empty token accounts may exist."""
        is_bare = self.lamports == 0 and not self.bare and not self.unreadable
        return is_bare and all(token.is_empty for token in self.accounts)

    @property
    def strays(self) -> dict[Pubkey, int]:
        """Lamports that somebody sent to the address of a token account, by address: money, and no rent."""
        sent = {token.account: token.funds for token in self.accounts if token.funds}
        return {**sent, **self.bare}

    def money(self) -> dict[Pubkey | None, int]:
        """As `balances`, with the lamports at addresses of token accounts among the others."""
        sums = self.balances()
        strays = sum(self.strays.values())
        return {**sums, None: sums.get(None, 0) + strays} if strays else sums

    def balances(self) -> dict[Pubkey | None, int]:
        """Base units by mint, None for lamports of the wallet itself; zeroes left out. What can pay a price."""
        sums: dict[Pubkey | None, int] = {None: self.lamports} if self.lamports else {}
        for token in self.accounts:
            if token.amount:
                sums[token.mint.address] = sums.get(token.mint.address, 0) + token.amount
        return sums
