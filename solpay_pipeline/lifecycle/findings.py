"""Why something could not be done, or is kept: codes for machines, sentences for people."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.terms import Wallet


class FindingCode(StrEnum):
    """Every reason there is. The value is stored, shown as a label and counted."""

    # Set aside: this wallet cannot be handled now; the rest go on.
    UNREADABLE_ROW = "unreadable_row"
    NO_PAYMENT = "no_payment"
    DUPLICATE_ADDRESS = "duplicate_address"
    KEY_UNREADABLE = "key_unreadable"
    KEY_MISMATCH = "key_mismatch"
    TOKEN_STUCK = "token_stuck"  # noqa: S105
    ACCOUNT_STUCK = "account_stuck"
    LAMPORTS_STUCK = "lamports_stuck"
    MINT_UNREADABLE = "mint_unreadable"
    MINT_CHANGED = "mint_changed"
    DESTINATION_UNFIT = "destination_unfit"
    TOO_LARGE = "too_large"
    TRANSACTION_FAILED = "transaction_failed"
    HISTORY_UNREADABLE = "history_unreadable"
    UNDECIDED = "undecided"
    UNDATED = "undated"
    UNECONOMIC = "uneconomic"
    STILL_MOVING = "still_moving"
    SPENDING_LIMIT = "spending_limit"
    FUNDS_ELSEWHERE = "funds_elsewhere"
    REVERTED = "reverted"
    FINALITY_UNKNOWN = "finality_unknown"
    # Held: money that is not ours to sweep yet.
    SHORT = "short"
    LATE = "late"
    UNEXPECTED = "unexpected"
    # Told, nothing to do.
    OVERPAID = "overpaid"
    FOREIGN_MOVEMENT = "foreign_movement"
    FORK = "fork"
    OFFER_CHANGED = "offer_changed"
    UNASKED = "unasked"


HELD = frozenset({FindingCode.SHORT, FindingCode.LATE, FindingCode.UNEXPECTED})
NOTICES = frozenset(
    {
        FindingCode.OVERPAID,
        FindingCode.FOREIGN_MOVEMENT,
        FindingCode.FORK,
        FindingCode.OFFER_CHANGED,
        FindingCode.UNASKED,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know of one wallet.

    `mint` is None for SOL or where no asset is meant; `amount` is in base units, 0 where none is meant.
    """

    code: FindingCode
    wallet_id: int | None
    payment_id: int | None
    explanation: str
    mint: Pubkey | None = None
    amount: int = 0

    @classmethod
    def about(cls, wallet: Wallet, code: FindingCode, explanation: str) -> Self:
        """A finding about a wallet and its payment, where no asset is meant."""
        return cls(code, wallet.id, None if wallet.payment is None else wallet.payment.id, explanation)

    @property
    def is_set_aside(self) -> bool:
        """Tell whether this stands for work that was not done."""
        return self.code not in HELD | NOTICES

    def as_json(self) -> dict[str, object]:
        """Plain JSON; the amount is a decimal string of base units."""
        return {
            "code": self.code.value,
            "wallet_id": self.wallet_id,
            "payment_id": self.payment_id,
            "mint": None if self.mint is None else str(self.mint),
            "amount": str(self.amount),
            "explanation": self.explanation,
        }
