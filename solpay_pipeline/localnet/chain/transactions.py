"""A transaction from the wire: decoded, its limits checked, its addresses resolved, its fee computed."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from solders.account import Account
from solders.address_lookup_table_account import ID as ADDRESS_LOOKUP_TABLE_ID
from solders.address_lookup_table_account import AddressLookupTable
from solders.errors import BincodeError
from solders.hash import Hash
from solders.instruction import CompiledInstruction
from solders.message import Message, MessageV0, MessageV1, from_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import SanitizeError, VersionedTransaction

from solpay_pipeline.localnet.chain.errors import Rejected, invalid_params

MAX_WIRE_BYTES = 1_232
"""Legacy and v0: one IPv6 packet less its headers (PACKET_DATA_SIZE)."""

MAX_WIRE_BYTES_V1 = 4_096
"""Version 1 (SIMD-0296, SIMD-0385)."""

LAMPORTS_PER_SIGNATURE = 5_000

_V1_PREFIX = 0x81
_MALFORMED = "failed to deserialize solana_transaction::versioned::VersionedTransaction"
_COMPUTE_BUDGET = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
_SIGNATURE_PROGRAMS = frozenset(
    {
        Pubkey.from_string("Ed25519SigVerify111111111111111111111111111"),
        Pubkey.from_string("KeccakSecp256k11111111111111111111111111111"),
        Pubkey.from_string("Secp256r1SigVerify1111111111111111111111111"),
    }
)
_BUILTIN_PROGRAMS = frozenset(
    {
        Pubkey.default(),
        _COMPUTE_BUDGET,
        Pubkey.from_string("Vote111111111111111111111111111111111111111"),
        Pubkey.from_string("BPFLoader1111111111111111111111111111111111"),
        Pubkey.from_string("BPFLoader2111111111111111111111111111111111"),
        Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111"),
        Pubkey.from_string("LoaderV411111111111111111111111111111111111"),
    }
    | _SIGNATURE_PROGRAMS
)
_BUILTIN_UNITS = 3_000
_PROGRAM_UNITS = 200_000
_MAX_UNITS = 1_400_000

AnyMessage = Message | MessageV0 | MessageV1


@dataclass(frozen=True, slots=True)
class Decoded:
    """A transaction and its addresses: the message's own first, then what lookup tables add, writable before readonly.
    `signature` is its id, the first one, in base58; `fee` is in lamports; `loaded_bytes_limit` is its own limit, None
    without one. Everything is computed once: solders copies what it is asked for.
    """

    transaction: VersionedTransaction
    wire: bytes
    version: int | None
    static_keys: tuple[Pubkey, ...]
    loaded_writable: tuple[Pubkey, ...]
    loaded_readonly: tuple[Pubkey, ...]
    writable: frozenset[Pubkey]
    signature: str
    blockhash: Hash
    fee: int
    loaded_bytes_limit: int | None

    @property
    def keys(self) -> tuple[Pubkey, ...]:
        """All addresses in the order that instruction indexes count in."""
        return self.static_keys + self.loaded_writable + self.loaded_readonly

    @property
    def fee_payer(self) -> Pubkey:
        """The first signer."""
        return self.static_keys[0]


def size_limit(wire: bytes) -> int:
    """The most bytes that a transaction which begins like this may have."""
    return MAX_WIRE_BYTES_V1 if wire[:1] == bytes([_V1_PREFIX]) else MAX_WIRE_BYTES


def parse(wire: bytes) -> VersionedTransaction:
    """A transaction that a node would accept; -32602 where it is too large, malformed or badly indexed."""
    limit = size_limit(wire)
    if len(wire) > limit:
        raise invalid_params(
            f"decoded solana_transaction::versioned::VersionedTransaction too large: {len(wire)} bytes "
            f"(max: {limit} bytes)"
        )
    try:
        transaction = VersionedTransaction.from_bytes(wire)
        transaction.sanitize()
    except (ValueError, BincodeError, SanitizeError) as error:
        raise invalid_params(f"{_MALFORMED}: {error}") from error
    if bytes(transaction) != wire:
        raise invalid_params(f"{_MALFORMED}: trailing bytes")
    return transaction


def parse_message(raw: bytes) -> AnyMessage:
    """A message without its signatures; -32602 where it is malformed."""
    try:
        return from_bytes_versioned(raw)
    except (ValueError, BincodeError) as error:
        raise invalid_params(f"failed to deserialize solana_message::VersionedMessage: {error}") from error


def resolve(
    transaction: VersionedTransaction, wire: bytes, read: Callable[[Pubkey], Account | None]
) -> Decoded:
    """Adds the addresses of lookup tables; `Rejected` where a table is missing or short."""
    message = transaction.message
    loaded_writable: list[Pubkey] = []
    loaded_readonly: list[Pubkey] = []
    if isinstance(message, MessageV0):
        for lookup in message.address_table_lookups:
            addresses = _table_addresses(read(lookup.account_key))
            try:
                loaded_writable += [addresses[index] for index in lookup.writable_indexes]
                loaded_readonly += [addresses[index] for index in lookup.readonly_indexes]
            except IndexError:
                raise Rejected("InvalidAddressLookupTableIndex") from None
    return decoded_with(transaction, wire, loaded_writable, loaded_readonly)


def decoded_with(
    transaction: VersionedTransaction,
    wire: bytes,
    loaded_writable: list[Pubkey],
    loaded_readonly: list[Pubkey],
) -> Decoded:
    """A transaction with the given addresses from its lookup tables."""
    message = transaction.message
    static_keys = tuple(message.account_keys)
    header = message.header
    signers = header.num_required_signatures
    writable_signers = signers - header.num_readonly_signed_accounts
    writable_end = len(static_keys) - header.num_readonly_unsigned_accounts
    writable = {
        key
        for index, key in enumerate(static_keys)
        if index < writable_signers or signers <= index < writable_end
    }
    return Decoded(
        transaction,
        wire,
        message_version(message),
        static_keys,
        tuple(loaded_writable),
        tuple(loaded_readonly),
        frozenset(writable.union(loaded_writable)),
        str(transaction.signatures[0]),
        message.recent_blockhash,
        fee_of(message),
        _loaded_bytes_limit(message),
    )


def message_version(message: AnyMessage) -> int | None:
    """0 or 1; None for a legacy message."""
    if isinstance(message, MessageV1):
        return 1
    return 0 if isinstance(message, MessageV0) else None


def fee_of(message: AnyMessage) -> int:
    """Lamports that the message costs: its signatures, and the priority fee (v1: a total; else price x unit limit)."""
    keys, instructions = message.account_keys, message.instructions
    signatures = message.header.num_required_signatures
    for instruction in instructions:
        program_index = instruction.program_id_index
        if program_index < len(keys) and keys[program_index] in _SIGNATURE_PROGRAMS and instruction.data:
            signatures += instruction.data[0]
    priority = (
        message.config.priority_fee if isinstance(message, MessageV1) else _priority_fee(keys, instructions)
    )
    return signatures * LAMPORTS_PER_SIGNATURE + (priority or 0)


def _loaded_bytes_limit(message: AnyMessage) -> int | None:
    # Without a limit the runtime's own (64 MiB) holds. Version 1 has no such default: no limit is 0, and invalid.
    if isinstance(message, MessageV1):
        return message.config.loaded_accounts_data_size_limit or 0
    keys = message.account_keys
    for instruction in message.instructions:
        index = instruction.program_id_index
        named = index < len(keys) and keys[index] == _COMPUTE_BUDGET
        if named and instruction.data[:1] == b"\x04" and len(instruction.data) >= 5:
            limit: int = struct.unpack_from("<I", instruction.data, 1)[0]
            return limit
    return None


def _priority_fee(keys: list[Pubkey], instructions: list[CompiledInstruction]) -> int:
    limit: int | None = None
    price = 0
    default_units = 0
    for instruction in instructions:
        program = keys[instruction.program_id_index] if instruction.program_id_index < len(keys) else None
        default_units += _BUILTIN_UNITS if program in _BUILTIN_PROGRAMS else _PROGRAM_UNITS
        if program != _COMPUTE_BUDGET:
            continue
        if instruction.data[:1] == b"\x02" and len(instruction.data) >= 5:
            (limit,) = struct.unpack_from("<I", instruction.data, 1)
        elif instruction.data[:1] == b"\x03" and len(instruction.data) >= 9:
            (price,) = struct.unpack_from("<Q", instruction.data, 1)
    units = min(default_units if limit is None else limit, _MAX_UNITS)
    return -(-price * units // 1_000_000)


def _table_addresses(account: Account | None) -> list[Pubkey]:
    if account is None:
        raise Rejected("AddressLookupTableNotFound")
    if account.owner != ADDRESS_LOOKUP_TABLE_ID:
        raise Rejected("InvalidAddressLookupTableOwner")
    try:
        return list(AddressLookupTable.deserialize(account.data).addresses)
    except ValueError:
        raise Rejected("InvalidAddressLookupTableData") from None
