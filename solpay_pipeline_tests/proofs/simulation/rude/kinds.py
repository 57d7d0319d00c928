"""The kinds of rudeness, and which are on."""

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What somebody does that no shop asked for. The value is what `--only` and `--without` take."""

    STRAYS = "strays"
    """Customers send SOL to token accounts, open, closed or never opened."""
    NESTED = "nested"
    """Customers send tokens to an account that belongs to a wallet's account."""
    HANDED_OVER = "handed-over"
    """Customers make the wallet the owner of a whole token account."""
    OTHER_ACCOUNTS = "other-accounts"
    """Customers pay to token accounts that the wallet owns at no associated address."""
    THIEVES = "thieves"
    """Somebody has the key of a wallet whose payment is accepted, and comes before our sweep."""
    OTHER_THIEVES = "other-thieves"
    """The same at any other time: before a payment is accepted, of what is held, behind a sweep of ours."""
    EDITS = "edits"
    """The shop changes, deletes and duplicates rows while we work."""
    UNSEEN_EDITS = "unseen-edits"
    """The shop changes a token's mint before a run of ours has seen the payments that ask for it."""
    EDITED_ADDRESSES = "edited-addresses"
    """The shop changes addresses of payments that are over, to which money comes later."""
    ISSUERS = "issuers"
    """Issuers pause their tokens, and freeze accounts of ours."""
    TAKEN_BACK = "taken-back"
    """Issuers take back or burn what a wallet has, as permanent delegates can."""
    CLOSED_MINTS = "closed-mints"
    """Issuers close mints that nobody has anything of."""
    OUTAGES = "outages"
    """Nobody looks for longer than wallets are watched, and nodes forget meanwhile."""
    PEERS = "peers"
    """The peer's own commands move money, and write final states over open accounts."""
    PAYERS = "payers"
    """Customers pay short and then late, again after the sweep, and in wrapped SOL."""
    DUST = "dust"
    """Strangers send next to nothing, or name a wallet."""


FOUND_BY_SEARCH: Final[frozenset[Kind]] = frozenset({Kind.HANDED_OVER, Kind.OTHER_ACCOUNTS})
"""What lies in such accounts is asked for only where `discover_accounts` is on; half of the histories end with it."""

OFF: Final[frozenset[Kind]] = frozenset(
    {
        Kind.NESTED,
        Kind.OTHER_THIEVES,
        Kind.TAKEN_BACK,
        Kind.CLOSED_MINTS,
        Kind.UNSEEN_EDITS,
        Kind.EDITED_ADDRESSES,
    }
)
"""What the product does not keep its promises in; a kind that is taken out of here is on by default."""

NOT_WHILE_WE_WORK: Final[frozenset[Kind]] = frozenset({Kind.STRAYS})
"""What comes to an account between our look and its close goes the way of its rent, to the fee payer."""

ALL_ON: Final[frozenset[Kind]] = frozenset(Kind) - OFF

NONE_ON: Final[frozenset[Kind]] = frozenset()


def kinds_of(text: str) -> frozenset[Kind]:
    """Kinds by name, separated by commas; "none" is none of them. Raises ValueError for a name that there is not."""
    return NONE_ON if text == "none" else frozenset(Kind(name.strip()) for name in text.split(","))
