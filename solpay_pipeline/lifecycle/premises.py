"""What a decision about a wallet rests on: compared again with the rows in the moment the decision is written."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.terms import PaymentOption, PaymentStatus, Wallet, WalletState


@dataclass(frozen=True, slots=True)
class Premises:
    """A payment and its wallet as their rows say, without what no decision asks for.

    `options` are the prices, each with its token and that token's mint, in the order of the price rows.
    """

    wallet_id: int
    state: WalletState
    payment_id: int
    address: Pubkey
    status: PaymentStatus
    expires_at: datetime
    options: tuple[PaymentOption, ...]

    @classmethod
    def of(cls, wallet: Wallet) -> Self:
        """The premises of whatever is decided about a wallet as it was read.

        Raises ValueError for a wallet without a payment, of which nothing can be decided.
        """
        payment = wallet.payment
        if payment is None:
            raise ValueError(f"wallet {wallet.id} has no payment")
        return cls(
            wallet_id=wallet.id,
            state=wallet.state,
            payment_id=payment.id,
            address=payment.address,
            status=payment.status,
            expires_at=payment.expires_at,
            options=payment.options,
        )
