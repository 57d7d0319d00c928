"""What stands in `data` of each kind of event: types that build it, and of which `docs/events.md` is made.

Amounts are decimal strings of base units, since JSON numbers lose digits beyond 2^53. Times are ISO 8601 with an
offset.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from solders.pubkey import Pubkey

from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.ledger.transactions import LandedMovement
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.holdings import mint_text
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS, Payment, PaymentStatus

Address = str
BaseUnits = str
Moment = str


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Body(_Strict):
    kind: ClassVar[EventKind]

    def as_json(self) -> dict[str, object]:
        """Plain JSON, in the order of the fields."""
        return self.model_dump()


class _OfPayment(_Body):
    payment_id: int = Field(description="The payment's row.")
    payment_address: Address = Field(description="The address of its one-time wallet.")
    wallet_id: int = Field(description="The one-time wallet's row.")
    expires_at: Moment = Field(description="Until when it could be paid.")

    @classmethod
    def _about(cls, payment: Payment, wallet_id: int, **more: object) -> Self:
        subject = {
            "payment_id": payment.id,
            "payment_address": str(payment.address),
            "wallet_id": wallet_id,
            "expires_at": payment.expires_at.isoformat(),
        }
        return cls.model_validate(subject | more)

    def event(self) -> Event:
        """The event to be written with the change that it reports."""
        return Event(self.kind, self.payment_id, self.wallet_id, self.as_json())


class PaymentAccepted(_OfPayment):
    """A payment is accepted: the chain shows it paid in full and in time, or the peer or an operator has written so."""

    kind = EventKind.PAYMENT_ACCEPTED
    source: Literal["pipeline", "peer"] = Field(
        description="Who accepted it. `peer` is anybody who wrote the payment's row without us; then `previous_status` "
        "is taken for granted, `received` and `surplus` are what the wallet holds when we come to know of it, or what "
        "its history shows where it is empty by then, and `paid_at` is known only in that case."
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

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        judgement: Judgement,
        *,
        source: Source,
        status: PaymentStatus,
        previous_status: PaymentStatus,
    ) -> Self:
        """Where the judgement does not say in what it was paid, the first token that was asked for stands there."""
        option = judgement.option or snapshot.payment.options[0]
        mint, paid_at = option.mint, judgement.paid_at
        return cls._about(
            snapshot.payment,
            snapshot.wallet.id,
            source=source.value,
            status=status.value,
            previous_status=previous_status.value,
            signature=judgement.signature or "",
            paid_at=None if paid_at is None else paid_at.isoformat(),
            mint=mint_text(mint),
            decimals=SOL_DECIMALS if mint is None else snapshot.decimals.get(mint, 0),
            received=_amounts(judgement.received),
            surplus=_amounts(judgement.surplus),
        )


class PaymentExpired(_OfPayment):
    """A payment's time is over and it was not paid."""

    kind = EventKind.PAYMENT_EXPIRED

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """It says nothing beyond whose it is."""
        return cls._about(snapshot.payment, snapshot.wallet.id)


class PaymentHeld(_OfPayment):
    """A wallet holds money that does not pay its payment. It is not swept unless an operator asks for it."""

    kind = EventKind.PAYMENT_HELD
    label: Literal["short", "late", "unexpected"] = Field(
        description="Less than the price; after the time; or of a token without a price."
    )
    holds: dict[str, BaseUnits] = Field(description="What the wallet holds, by token.")

    @classmethod
    def of(cls, snapshot: Snapshot, label: FindingCode) -> Self:
        """`label` is one of `HELD`."""
        holds = _amounts(snapshot.holdings.money())
        return cls._about(snapshot.payment, snapshot.wallet.id, label=label.value, holds=holds)


class PaymentFinalized(_OfPayment):
    """What paid an accepted payment is final: no fork can take it back any more. It comes once for each payment."""

    kind = EventKind.PAYMENT_FINALIZED
    source: Literal["pipeline", "peer"] = Field(description="Who accepted it, as in `payment.accepted`.")
    signature: str = Field(
        description="The transaction that completed the price. Not that of `payment.accepted` where a fork took that "
        "one back and the customer paid once more; empty where nobody has named one."
    )

    @classmethod
    def of(cls, payment: Payment, wallet_id: int, *, source: Source, signature: str | None) -> Self:
        """`signature` is None where the money is there and no transfer is named."""
        return cls._about(payment, wallet_id, source=source.value, signature=signature or "")


class PaymentReverted(_OfPayment):
    """A fork has taken back what paid an accepted payment. Its row stays as it is: the order may have been shipped.
    Nothing of its wallet is swept until it is paid after all; then `payment.finalized` follows.
    """

    kind = EventKind.PAYMENT_REVERTED
    source: Literal["pipeline", "peer"] = Field(description="Who accepted it, as in `payment.accepted`.")
    signature: str = Field(
        description="The transaction that is in no finalized block; empty where nobody has named one."
    )
    mint: str = Field(description="The token it was paid in: a mint's address, or SOL.")
    missing: BaseUnits = Field(description="What of that token had come in and is gone.")
    received: dict[str, BaseUnits] = Field(description="What has come in for good, by token.")

    @classmethod
    def of(
        cls,
        payment: Payment,
        wallet_id: int,
        *,
        source: Source,
        signature: str | None,
        mint: Pubkey | None,
        missing: int,
        received: Mapping[Pubkey | None, int],
    ) -> Self:
        """`missing` is in base units of `mint`, `received` what the chain shows now."""
        return cls._about(
            payment,
            wallet_id,
            source=source.value,
            signature=signature or "",
            mint=mint_text(mint),
            missing=str(missing),
            received=_amounts(received),
        )


class Movement(_Strict):
    """Something that a transaction of ours moved."""

    signature: str
    kind: Literal["lamports", "tokens", "rent", "withheld"]
    mint: Address | None = Field(description="None for lamports and rent.")
    amount: BaseUnits
    destination: Address


class WalletSwept(_OfPayment):
    """All of a wallet's money is with the receiver."""

    kind = EventKind.WALLET_SWEPT
    movements: list[Movement] = Field(description="All that our transactions ever moved out of this wallet.")
    receiver: Address = Field(description="The merchant's main wallet.")

    @classmethod
    def of(cls, snapshot: Snapshot, moved: Sequence[LandedMovement], receiver: str) -> Self:
        """`moved` is what has landed, oldest first."""
        movements = _movements(moved)
        return cls._about(snapshot.payment, snapshot.wallet.id, movements=movements, receiver=receiver)


class WalletClosed(_OfPayment):
    """The token accounts of an expired payment's wallet are closed; their rent is with the fee payer."""

    kind = EventKind.WALLET_CLOSED
    movements: list[Movement] = Field(description="All that our transactions ever moved out of this wallet.")

    @classmethod
    def of(cls, snapshot: Snapshot, moved: Sequence[LandedMovement]) -> Self:
        """`moved` is what has landed, oldest first."""
        return cls._about(snapshot.payment, snapshot.wallet.id, movements=_movements(moved))


class _OfInstallation(_Body):
    def event(self) -> Event:
        """The event to be written."""
        return Event(self.kind, None, None, self.as_json())


_AUDIT_HEAD = "The hash of the newest entry of the audit trail, for `solpay audit verify --head`."


class RunFailed(_OfInstallation):
    """A run of Dagster failed; it is about no payment."""

    kind = EventKind.RUN_FAILED
    run_id: str
    job: str
    steps: dict[str, str] = Field(description="Why, by step.")
    set_aside: str = Field(description="How many wallets were set aside, as a number in text.")
    what_to_do: str
    audit_head: str = Field(description=_AUDIT_HEAD)


class ReceiverChanged(_OfInstallation):
    """An operator has allowed or revoked an address that money may be sent to; it is about no payment."""

    kind = EventKind.RECEIVER_CHANGED
    address: Address
    change: Literal["allowed", "revoked"]
    effective_at: Moment = Field(description="From when on.")
    reason: str = Field(description="What the operator gave as the reason.")
    audit_head: str = Field(description=_AUDIT_HEAD)

    @classmethod
    def of(
        cls,
        address: Pubkey,
        change: Literal["allowed", "revoked"],
        effective_at: datetime,
        reason: str,
        audit_head: str,
    ) -> Self:
        """`audit_head` is the hash of the entry that this change has made."""
        return cls(
            address=str(address),
            change=change,
            effective_at=effective_at.isoformat(),
            reason=reason,
            audit_head=audit_head,
        )


BODIES: dict[str, type[_Body]] = {
    body.kind.value: body
    for body in (
        PaymentAccepted,
        PaymentExpired,
        PaymentHeld,
        PaymentFinalized,
        PaymentReverted,
        WalletSwept,
        WalletClosed,
        RunFailed,
        ReceiverChanged,
    )
}


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON schema of `data` of a kind of event, for receivers: it lets new fields come."""
    return {key: _open(part) for key, part in BODIES[kind].model_json_schema().items() if part is not False}


def _amounts(amounts: Mapping[Pubkey | None, int]) -> dict[str, BaseUnits]:
    return {mint_text(mint): str(amount) for mint, amount in amounts.items()}


def _movements(moved: Sequence[LandedMovement]) -> list[dict[str, object]]:
    return [one.as_json() for one in moved]


def _open(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _open(inner) for key, inner in part.items() if inner is not False}
    return [_open(inner) for inner in part] if isinstance(part, list) else part
