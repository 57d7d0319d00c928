"""The two wire formats of a transaction: their limits, their sizes in bytes, and the signing.

Sizes are computed: a transaction's length follows from its distinct accounts, signers and instructions. `sign` measures
the real bytes again and refuses what is too long (`TransactionTooLarge`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0, MessageV1, to_bytes_versioned
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from solpay_pipeline.base.keys import address_of
from solpay_pipeline.chain.rpc.errors import Permanent
from solpay_pipeline.chain.sending.compute import MAX_UNITS
from solpay_pipeline.chain.sending.instructions import MICRO_LAMPORTS_PER_LAMPORT, compute_budget

SIGNATURE_BYTES: Final = 64
KEY_BYTES: Final = 32

MAX_INSTRUCTIONS: Final = 64
"""The limit of a version 1 message by its format (SIMD-0385), and of any by the runtime's instruction trace."""


@dataclass(frozen=True, slots=True)
class PackingLimits:
    """What one transaction may hold."""

    wire_bytes: int
    signatures: int
    accounts: int
    instructions: int = MAX_INSTRUCTIONS
    compute_units: int = MAX_UNITS


LIMITS: Final = {
    # 1,232 bytes: an IPv6 datagram of 1,280 without its headers; 64 account locks in a transaction.
    0: PackingLimits(wire_bytes=1_232, signatures=19, accounts=64),
    # SIMD-0296 and SIMD-0385.
    1: PackingLimits(wire_bytes=4_096, signatures=12, accounts=64),
}


@dataclass(frozen=True, slots=True)
class TransactionShape:
    """How transactions are written: message `version` 0 or 1, and what they pay for priority.

    `compute_unit_price` is in micro-lamports; 0 leaves the instruction out. The whole priority fee of a transaction
    never exceeds `max_priority_fee_lamports`: the price is lowered to fit. `loaded_accounts_bytes` is the limit that a
    version 1 message must state, or it may load nothing; Token-2022 and the programs it needs are about 2 MB.
    """

    version: int = 0
    compute_unit_price: int = 0
    max_priority_fee_lamports: int = 0
    loaded_accounts_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.version not in LIMITS:
            raise ValueError(f"transaction version {self.version} is not one of {sorted(LIMITS)}")

    @property
    def limits(self) -> PackingLimits:
        """The limits of this version."""
        return LIMITS[self.version]

    @property
    def pays_priority(self) -> bool:
        """Whether there is a price, and a highest fee that even the largest transaction can stay below."""
        return self.compute_unit_price > 0 and self.max_priority_fee_lamports >= 2

    def price_for(self, unit_limit: int) -> int:
        """Micro-lamports a unit for a transaction with this compute-unit limit."""
        if not self.pays_priority:
            return 0
        cap = self.max_priority_fee_lamports * MICRO_LAMPORTS_PER_LAMPORT // unit_limit
        # Never 0: the size was computed with this instruction.
        return max(1, min(self.compute_unit_price, cap))

    def priority_fee(self, unit_limit: int) -> int:
        """Lamports above the base fee, rounded up as the runtime does."""
        return -(-self.price_for(unit_limit) * unit_limit // MICRO_LAMPORTS_PER_LAMPORT)

    def budget(self, unit_limit: int) -> tuple[Instruction, ...]:
        """The compute-budget instructions; none in version 1, where they would have no effect."""
        return compute_budget(unit_limit, self.price_for(unit_limit)) if self.version == 0 else ()


class TransactionTooLarge(Permanent):
    """A built transaction is longer than its version allows: a fault of the packing. Nothing was signed."""


class CannotSign(Permanent):
    """A key that the message needs was not given. The text names addresses only."""


def sign(
    message: MessageV0 | MessageV1, keypairs: Sequence[Keypair], paid: Signature | None = None
) -> tuple[Signature, bytes]:
    """Sign with the keys that the message asks for, found among `keypairs` by address.

    `paid` is the fee payer's signature where its key is kept elsewhere. Returns the transaction's signature (the first,
    the fee payer's) and the bytes for the wire. Raises `TransactionTooLarge`, before any signing, and `CannotSign`.
    """
    check_size(message)
    by_address = {address_of(keypair): keypair for keypair in keypairs}
    needed = message.account_keys[: message.header.num_required_signatures]
    ours = needed if paid is None else needed[1:]
    missing = [str(address) for address in ours if address not in by_address]
    if missing:
        raise CannotSign(f"no key for {', '.join(missing)}")
    signed = to_bytes_versioned(message)
    signatures = [by_address[address].sign_message(signed) for address in ours]
    if paid is not None:
        signatures.insert(0, paid)
    return signatures[0], bytes(VersionedTransaction.populate(message, signatures))


def message_of(wire: bytes) -> MessageV0 | MessageV1:
    """The message of a signed transaction. Raises TypeError for a version that we never sign."""
    message = VersionedTransaction.from_bytes(wire).message
    if not isinstance(message, MessageV0 | MessageV1):
        raise TypeError("a transaction of a version that we never sign")
    return message


def check_size(message: MessageV0 | MessageV1) -> None:
    """Raises `TransactionTooLarge` where the signed transaction would be longer than its version allows."""
    version = 1 if isinstance(message, MessageV1) else 0
    wire_bytes = len(unsigned_wire(message))
    if wire_bytes > LIMITS[version].wire_bytes:
        raise TransactionTooLarge(
            f"{wire_bytes} bytes, {LIMITS[version].wire_bytes} are allowed in version {version}"
        )


def unsigned_wire(message: MessageV0 | MessageV1) -> bytes:
    """The bytes of the transaction with empty signatures: enough for a simulation, and as long as when signed."""
    blank = [Signature.default()] * message.header.num_required_signatures
    return bytes(VersionedTransaction.populate(message, blank))


def wire_bytes_of(
    shape: TransactionShape,
    *,
    key_count: int,
    signature_count: int,
    instruction_count: int,
    instruction_bytes: int,
) -> int:
    """Bytes of a signed transaction by its counts; `instruction_bytes` is the sum of `instruction_bytes_of`."""
    body = SIGNATURE_BYTES * signature_count + KEY_BYTES * key_count + instruction_bytes
    if shape.version == 1:
        # version, header 3, config mask 4, blockhash 32, two counts; unit limit 4 and loaded bytes 4, priority fee 8.
        return body + 1 + 3 + 4 + 32 + 2 + 8 + (8 if shape.pays_priority else 0)
    # version, header 3, blockhash 32, no lookup tables 1; three counts as compact-u16.
    counts = _compact(signature_count) + _compact(key_count) + _compact(instruction_count)
    return body + 1 + 3 + 32 + 1 + counts


def instruction_bytes_of(instruction: Instruction, version: int) -> int:
    """Bytes of one compiled instruction in a message of `version`."""
    account_count, content_bytes = len(instruction.accounts), len(instruction.data)
    if version == 1:
        # program index, account count, content length as u16
        return 4 + account_count + content_bytes
    return 1 + _compact(account_count) + account_count + _compact(content_bytes) + content_bytes


def _compact(count: int) -> int:
    return 1 if count < 0x80 else 2 if count < 0x4000 else 3
