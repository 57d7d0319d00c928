"""Situations that no program can mend: each is set aside with its reason, and the others go on."""

from solpay_pipeline.demo.deeds import (
    Deed,
    goes_elsewhere,
    is_accepted,
    is_frozen,
    is_minted,
    key_is_lost,
    key_is_of_another,
    key_is_plain,
    payment_is_deleted,
    pays,
    prices_are_deleted,
)
from solpay_pipeline.demo.situation import USUAL, Age, Situation
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState


def _stuck(
    name: str,
    sentence: str,
    count: int,
    code: FindingCode,
    *deeds: Deed,
    symbols: tuple[str, ...] = USUAL,
) -> Situation:
    """An accepted payment whose money cannot leave its wallet."""
    return Situation(
        name,
        sentence,
        count,
        Age.LIVE,
        deeds,
        PaymentStatus.CONFIRMED,
        WalletState.FAILED_TO_SEND_FUNDS,
        frozenset({code}),
        symbols=symbols,
    )


STUCK = (
    _stuck(
        "frozen",
        "The mint's authority has frozen the account; the wallet's SOL goes home.",
        3,
        FindingCode.TOKEN_STUCK,
        pays("USDC"),
        pays("SOL", 10),
        is_frozen("USDC"),
        is_accepted("USDC"),
    ),
    _stuck(
        "transfer_hook",
        "The token's transfers call a program that asks for accounts we cannot know.",
        2,
        FindingCode.TOKEN_STUCK,
        is_minted("HOOK"),
        is_accepted("HOOK"),
        symbols=("SOL", "HOOK"),
    ),
    _stuck(
        "non_transferable",
        "The token can never leave its first owner.",
        2,
        FindingCode.TOKEN_STUCK,
        is_minted("SOUL"),
        is_accepted("SOUL"),
        symbols=("SOL", "SOUL"),
    ),
    _stuck(
        "paused",
        "The mint has stopped all transfers for now.",
        2,
        FindingCode.TOKEN_STUCK,
        pays("HALT"),
        is_accepted("HALT"),
        symbols=("SOL", "HALT"),
    ),
    _stuck(
        "key_lost",
        "The keypair is sealed with a Fernet key that is not configured.",
        2,
        FindingCode.KEY_UNREADABLE,
        pays("SOL"),
        is_accepted("SOL"),
        key_is_lost,
    ),
    _stuck(
        "key_in_plain_text",
        "The keypair is stored in plain text, though the shop encrypts: refused.",
        1,
        FindingCode.KEY_UNREADABLE,
        pays("SOL"),
        is_accepted("SOL"),
        key_is_plain,
    ),
    _stuck(
        "key_of_another",
        "The stored keypair is not the one of the payment's address.",
        1,
        FindingCode.KEY_MISMATCH,
        pays("USDC"),
        is_accepted("USDC"),
        key_is_of_another,
    ),
    _stuck(
        "gone_elsewhere",
        "The money was sent to a stranger by somebody who had the key.",
        1,
        FindingCode.FUNDS_ELSEWHERE,
        pays("SOL"),
        goes_elsewhere("SOL"),
        is_accepted("SOL"),
    ),
    Situation(
        "no_payment",
        "The payment was deleted, its wallet is still to be swept.",
        1,
        Age.LIVE,
        (pays("SOL"), is_accepted("SOL"), payment_is_deleted),
        None,
        WalletState.PROCESSING_PAYMENT,
        frozenset({FindingCode.NO_PAYMENT}),
    ),
    Situation(
        "no_price",
        "The payment has no price, so that nobody can tell what would pay it.",
        1,
        Age.LIVE,
        (prices_are_deleted,),
        PaymentStatus.INITIATED,
        WalletState.CREATED,
        frozenset({FindingCode.UNREADABLE_ROW}),
    ),
)
