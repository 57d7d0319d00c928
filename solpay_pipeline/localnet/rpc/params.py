"""The parameters of one call, checked as they are read: one that is absent or of the wrong type ends it with -32602."""

from base64 import b64decode
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from base58 import b58decode
from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.signature import Signature

from solpay_pipeline.localnet.chain.config import CommitmentName
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.errors import (
    MIN_CONTEXT_SLOT_NOT_REACHED,
    RpcError,
    TransactionErrorJson,
    invalid_params,
)
from solpay_pipeline.localnet.rpc.encoding import DataSlice
from solpay_pipeline.localnet.rpc.view import View

_U64_MAX = 2**64 - 1
_LONGEST_HASH_TEXT = 44
_KNOWN_ADDRESSES = 100_000
"""Parsed once: clients ask repeatedly for the same ones."""

_COMMITMENTS = {
    "processed": "processed",
    "confirmed": "confirmed",
    "finalized": "finalized",
    # The names used before 2021, which clients may still send.
    "recent": "processed",
    "single": "confirmed",
    "singleGossip": "confirmed",
    "root": "finalized",
    "max": "finalized",
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a fault does to a sendTransaction that passed preflight: it lands, is swallowed, fails on chain, lands late,
    or lands and stays hidden for a while.
    """

    swallow: bool = False
    forced_err: TransactionErrorJson | None = None
    late_slots: int = 0
    hidden_slots: int = 0


NO_FAULT = Delivery()


@dataclass(frozen=True, slots=True)
class Call:
    """One JSON-RPC call through one endpoint."""

    view: View
    method: str
    params: list[Any]
    delivery: Delivery = NO_FAULT

    @property
    def chain(self) -> Chain:
        """The chain behind the endpoint."""
        return self.view.chain

    def take(self, index: int, name: str) -> Any:
        """A positional parameter that must be there."""
        if index >= len(self.params) or self.params[index] is None:
            raise invalid_params(f"Invalid params: missing parameter {index} ({name})")
        return self.params[index]

    def options(self, index: int) -> "Options":
        """The configuration object at `index`, empty without one."""
        found = self.params[index] if index < len(self.params) else None
        if found is None:
            found = {}
        if not isinstance(found, dict):
            raise invalid_params(
                f"Invalid params: invalid type for parameter {index}, expected a configuration object"
            )
        return Options(self.view, found)

    def address(self, index: int) -> Pubkey:
        """A base58 address."""
        return address(self.take(index, "address"))

    def integer(self, index: int, name: str) -> int:
        """A whole number, not below 0."""
        return _integer(self.take(index, name), name)

    def texts(self, index: int, name: str, most: int, too_many: str) -> list[str]:
        """A list of strings with at most `most` members."""
        found = self.take(index, name)
        if not isinstance(found, list) or set(map(type, found)) - {str}:
            raise invalid_params(f"Invalid params: {name} must be a list of strings")
        if len(found) > most:
            raise invalid_params(f"{too_many}; max {most}")
        return found

    def wire(self, index: int, encoding: str) -> bytes:
        """Transaction or message bytes as text."""
        text = self.take(index, "encoded bytes")
        if not isinstance(text, str):
            raise invalid_params("Invalid params: invalid type, expected a string")
        return wire_bytes(text, encoding)


@dataclass(frozen=True, slots=True)
class Options:
    """A configuration object."""

    view: View
    members: dict[str, Any]

    def get(self, name: str) -> Any:
        """A member as it came; None where it is absent."""
        return self.members.get(name)

    def flag(self, name: str) -> bool:
        """A boolean, false where it is absent."""
        found = self.members.get(name)
        if found is not None and not isinstance(found, bool):
            raise invalid_params(f"Invalid params: {name} must be a boolean")
        return bool(found)

    def integer(self, name: str) -> int | None:
        """A whole number, or None where it is absent."""
        found = self.members.get(name)
        return None if found is None else _integer(found, name)

    def text(self, name: str, default: str) -> str:
        """A string."""
        found = self.members.get(name)
        if found is None:
            return default
        if not isinstance(found, str):
            raise invalid_params(f"Invalid params: {name} must be a string")
        return found

    def commitment(self, name: str = "commitment") -> CommitmentName:
        """The level asked for, by default `finalized`, as on a validator."""
        asked = self.text(name, "finalized")
        if asked not in _COMMITMENTS:
            raise invalid_params(f"Invalid params: unknown commitment `{asked}`")
        return cast(CommitmentName, _COMMITMENTS[asked])

    def confirmed_commitment(self) -> CommitmentName:
        """For methods on history, which do not know `processed`."""
        commitment = self.commitment()
        if commitment == "processed":
            raise invalid_params("Method does not support commitment below `confirmed`")
        return commitment

    def bank_slot(self, commitment: CommitmentName | None = None) -> int:
        """The slot to read at; -32016 where the client asks for a newer one."""
        slot = self.view.slot_at(commitment or self.commitment())
        wanted = self.integer("minContextSlot")
        if wanted is not None and slot < wanted:
            raise RpcError(
                MIN_CONTEXT_SLOT_NOT_REACHED,
                "Minimum context slot has not been reached",
                {"contextSlot": slot},
            )
        return slot

    def one_of(self, name: str, default: str, allowed: frozenset[str]) -> str:
        """A string out of a set."""
        found = self.text(name, default)
        if found not in allowed:
            raise invalid_params(
                f"Invalid params: unknown variant `{found}`, expected one of {', '.join(sorted(allowed))}"
            )
        return found

    def data_slice(self) -> DataSlice | None:
        """Offset and length, or None for all bytes."""
        found = self.members.get("dataSlice")
        if found is None:
            return None
        if not isinstance(found, dict):
            raise invalid_params("Invalid params: dataSlice must be an object")
        return _integer(found.get("offset"), "offset"), _integer(found.get("length"), "length")


def address(text: object) -> Pubkey:
    """A base58 address; -32602 where it is invalid."""
    try:
        return _address(cast(str, text))
    except (ValueError, TypeError):
        raise invalid_params("Invalid param: Invalid") from None


def signature(text: object) -> str:
    """A base58 signature in its normal spelling; -32602 where it is invalid."""
    try:
        return str(Signature.from_string(cast(str, text)))
    except (ValueError, TypeError):
        raise invalid_params("Invalid param: Invalid") from None


def blockhash(text: object) -> Hash:
    """A base58 blockhash; -32602 where it is invalid."""
    try:
        raw = b58decode(text) if isinstance(text, str) and len(text) <= _LONGEST_HASH_TEXT else b""
    except ValueError:
        raise invalid_params("Invalid param: Invalid") from None
    if len(raw) != Hash.LENGTH:
        raise invalid_params("Invalid param: WrongSize")
    return Hash(raw)


def wire_bytes(text: str, encoding: str) -> bytes:
    """Decodes base64 or base58; -32602 where the text is invalid or the encoding is another one."""
    try:
        if encoding == "base64":
            return b64decode(text, validate=True)
        if encoding == "base58":
            return b58decode(text)
    except ValueError as error:
        raise invalid_params(f"invalid {encoding} encoding: {error}") from error
    raise invalid_params(f"unsupported encoding: {encoding}. Supported encodings: base58, base64")


@lru_cache(maxsize=_KNOWN_ADDRESSES)
def _address(text: str) -> Pubkey:
    return Pubkey.from_string(text)


def _integer(found: object, name: str) -> int:
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= _U64_MAX:
        raise invalid_params(f"Invalid params: {name} must be a whole number of 64 bits")
    return found
