"""What can happen in a history, as plain values.

Every step makes sense on its own: a step that names the fifth payment of three takes the second. So any of them can
be left out when a failing history is made shorter.
"""

from dataclasses import dataclass
from typing import Literal

from solpay_pipeline_tests.proofs.simulation.process import PointKind

Operation = Literal["expire", "sweep", "reclaim", "recheck"]
Share = Literal["all", "half", "rest", "dust", "double"]
Way = Literal["plain", "version 1", "two transfers", "program"]
Ending = Literal["row", "sent", "failed", "rolled back"]
Sky = Literal[
    "clear",
    "lossy",
    "rate limited",
    "broken",
    "behind",
    "swallowing",
    "late",
    "failing",
    "slow",
    "forgetful",
    "storm",
    "first node down",
    "first node lags",
    "second node lags",
    "short history",
    "lagging fallback",
    "forgetful fallback",
]
Mood = Literal["good", "down", "flaky", "dies"]


@dataclass(frozen=True, slots=True)
class Open:
    """A customer comes: `coins` is a mask over the shop's coins, `lasts` seconds."""

    coins: int
    lasts: int


@dataclass(frozen=True, slots=True)
class Pay:
    """A customer pays a share of the price in one of the shop's coins, which need not be one that was asked for."""

    till: int
    coin: int
    share: Share
    way: Way


@dataclass(frozen=True, slots=True)
class Spam:
    """Somebody sends tokens of a mint that nobody has heard of."""

    till: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Time goes by."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Verify:
    """A customer's page asks the shop's own web application, which verifies as the peer does, and how that ends."""

    till: int
    coin: int
    ending: Ending


@dataclass(frozen=True, slots=True)
class ShopExpires:
    """The peer's command expires what is due by the clock alone."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Blocks that are not final are taken back; customers' transactions may come again."""

    keep_confirmed: bool
    keep_blockhashes: bool
    resend: bool


@dataclass(frozen=True, slots=True)
class Freeze:
    """The issuer freezes a wallet's account, or thaws it."""

    till: int
    coin: int
    thaw: bool


@dataclass(frozen=True, slots=True)
class Tax:
    """The issuer changes a transfer fee, which holds two epochs later."""

    coin: int
    basis_points: int


@dataclass(frozen=True, slots=True)
class Rent:
    """The price of storage changes for accounts made from now on."""

    lamports_per_byte: int


@dataclass(frozen=True, slots=True)
class Purse:
    """Nearly all lamports of the fee payer are spent elsewhere, or it is filled up."""

    is_filled: bool


@dataclass(frozen=True, slots=True)
class Weather:
    """How the nodes behave from now on."""

    sky: Sky


@dataclass(frozen=True, slots=True)
class Skew:
    """The merchant's own clock is so many seconds wrong."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Run:
    """One of our operations, with an option or without."""

    operation: Operation
    option: str | None = None


@dataclass(frozen=True, slots=True)
class Both:
    """Two of our operations at once, the second some seconds later."""

    first: Operation
    second: Operation
    gap: float


@dataclass(frozen=True, slots=True)
class Rotate:
    """`rotate-keys` to a fresh key; afterwards the old one is forgotten where nothing is left under it."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """`deliver_events`, and what the shop's receiver makes of it."""

    mood: Mood


@dataclass(frozen=True, slots=True)
class Rude:
    """Somebody does a deed of `rude/deeds.py`, by its name, to a payment, in one of the shop's coins; `percent` of what there is."""

    deed: str
    till: int
    coin: int
    percent: int


@dataclass(frozen=True, slots=True)
class Die:
    """The next process dies at its `at`-th effect, or at its `at`-th of one kind."""

    at: int
    kind: PointKind | None = None


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """While the next process is at its `at`-th effect, something else happens."""

    at: int
    what: "Step"


Step = (
    Open
    | Pay
    | Spam
    | Wait
    | Verify
    | ShopExpires
    | Fork
    | Freeze
    | Tax
    | Rent
    | Purse
    | Weather
    | Skew
    | Run
    | Both
    | Rotate
    | Deliver
    | Rude
    | Die
    | Meanwhile
)


OPTIONS = (
    "dry run",
    "one payment",
    "two payments",
    "five seconds at most",
    "pages of one",
    "limit of one",
    "no forwarding",
    "no closing",
    "no history",
    "held funds too",
    "discovering",
    "not watching",
    "impatient",
    "unhurried",
)
"""Variants of our operations; `runs.py` knows what they mean."""
