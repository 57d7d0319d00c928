"""What stands in `data` of each kind of event, as types; `docs/events.md` is made from them and held to them by a test.

Amounts are decimal strings of base units, since JSON numbers lose digits beyond 2^53. Times are ISO 8601 with an
offset.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Address = str
BaseUnits = str
Moment = str


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _OfPayment(_Body):
    payment_id: int = Field(description="The payment's row.")
    payment_address: Address = Field(description="The address of its one-time wallet.")
    wallet_id: int = Field(description="The one-time wallet's row.")
    expires_at: Moment = Field(description="Until when it could be paid.")


class PaymentAccepted(_OfPayment):
    """A payment is accepted: the chain shows it paid, in full and in time, or the peer, or a hand, says so."""

    source: Literal["pipeline", "peer"] = Field(
        description="Who accepted it. `peer` is whoever wrote the payment's row without us; then `previous_status` is "
        "taken for granted, `received` and `surplus` are what the wallet holds when we come to know of it, or what "
        "its history shows where it is empty by then, and `paid_at` is told only in that case."
    )
    status: Literal["confirmed", "finalized"] = Field(description="What the payment's row says now.")
    previous_status: Literal["initiated", "expired"] = Field(
        description="What it said before; expired where it was found paid in time afterwards."
    )
    signature: str = Field(description="The transaction that completed the price.")
    paid_at: Moment | None = Field(description="That transaction's block time.")
    mint: str = Field(description="The token it was paid in: a mint's address, or SOL.")
    decimals: int = Field(description="Of that token.")
    received: dict[str, BaseUnits] = Field(description="Everything that came in, by token.")
    surplus: dict[str, BaseUnits] = Field(description="What of it is more than the price.")


class PaymentExpired(_OfPayment):
    """A payment's time is over and it was not paid."""


class PaymentHeld(_OfPayment):
    """A wallet holds money that does not pay its payment. It is not swept unless an operator asks for it."""

    label: Literal["short", "late", "unexpected"] = Field(
        description="Less than the price; after the time; or of a token without a price."
    )
    holds: dict[str, BaseUnits] = Field(description="What the wallet holds, by token.")


class Movement(_Body):
    """Something that a transaction of ours moved."""

    signature: str
    kind: Literal["lamports", "tokens", "rent", "withheld"]
    mint: Address | None = Field(description="None for lamports and rent.")
    amount: BaseUnits
    destination: Address


class WalletSwept(_OfPayment):
    """All of a wallet's money is with the receiver."""

    receiver: Address = Field(description="The merchant's main wallet.")
    movements: list[Movement] = Field(description="All that our transactions ever moved out of this wallet.")


class WalletClosed(_OfPayment):
    """The token accounts of an expired payment's wallet are closed; their rent is with the fee payer."""

    movements: list[Movement] = Field(description="All that our transactions ever moved out of this wallet.")


class RunFailed(_Body):
    """A run of Dagster failed; it is about no payment."""

    run_id: str
    job: str
    steps: dict[str, str] = Field(description="Why, by step.")
    set_aside: str = Field(description="How many wallets were set aside, as a number in text.")
    what_to_do: str


BODIES: dict[str, type[_Body]] = {
    "payment.accepted": PaymentAccepted,
    "payment.expired": PaymentExpired,
    "payment.held": PaymentHeld,
    "wallet.swept": WalletSwept,
    "wallet.closed": WalletClosed,
    "ops.run_failed": RunFailed,
}


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON schema of `data` of a kind of event, for receivers: it lets new fields come."""
    return {key: _open(part) for key, part in BODIES[kind].model_json_schema().items() if part is not False}


def _open(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _open(inner) for key, inner in part.items() if inner is not False}
    return [_open(inner) for inner in part] if isinstance(part, list) else part
