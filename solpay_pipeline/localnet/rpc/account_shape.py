"""The form in which a client asks for accounts, and accounts in it. Every answer names the slot it was read at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.rpc.encoding import ACCOUNT_ENCODINGS, DataSlice, account_json
from solpay_pipeline.localnet.rpc.params import Call, Options

API_VERSION = "4.3.0"
"""The Agave release whose answers these equal."""


def with_context(slot: int, value: object) -> dict[str, Any]:
    """RpcResponse: the value and the slot that it belongs to."""
    return {"context": {"apiVersion": API_VERSION, "slot": slot}, "value": value}


@dataclass(frozen=True, slots=True)
class AccountShape:
    """The encoding and slice asked for, at one slot of one endpoint's chain."""

    call: Call
    slot: int
    encoding: str
    data_slice: DataSlice | None
    ready_key: tuple[str, DataSlice | None] | None
    """The key under which encoded accounts of this shape are kept. Parsed token accounts depend on their mint too and
    are not kept."""

    @classmethod
    def asked(cls, call: Call, options: Options, default_encoding: str) -> "AccountShape":
        """The shape in a configuration object; -32602 where it is invalid, -32016 where the slot is too old."""
        encoding = options.one_of("encoding", default_encoding, ACCOUNT_ENCODINGS)
        data_slice = options.data_slice()
        return cls.of_slot(call, options.bank_slot(), encoding, data_slice)

    @classmethod
    def of_slot(cls, call: Call, slot: int, encoding: str, data_slice: DataSlice | None) -> "AccountShape":
        """A shape that has been checked already."""
        return cls(
            call, slot, encoding, data_slice, None if encoding == "jsonParsed" else (encoding, data_slice)
        )

    def read(self, address: Pubkey) -> Account | None:
        """The account at the slot."""
        return self.call.chain.accounts.at(address, self.slot)

    def shown(self, address: Pubkey) -> Any:
        """The account at an address as JSON; None where there is none."""
        return self.all_shown([address])[0]

    def all_shown(self, addresses: Sequence[Pubkey]) -> list[Any]:
        """The accounts at these addresses as JSON."""
        if self.ready_key is None:
            return [self._made(address) for address in addresses]
        ready = self.call.chain.accounts.settled.of_shape(self.ready_key)
        return [ready.get(address) or self._made(address) for address in addresses]

    def of(self, account: Account) -> dict[str, Any]:
        """An account that has been read, as JSON."""
        return account_json(account, self.encoding, self.data_slice, self.read)

    def _made(self, address: Pubkey) -> Any:
        accounts = self.call.chain.accounts
        key = self.ready_key if accounts.is_settled(address) else None
        account = self.read(address)
        if account is None:
            return None
        made = self.of(account)
        return made if key is None else accounts.settled.keep(address, key, made)
