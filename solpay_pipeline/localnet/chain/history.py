"""All transactions by signature, by address and by slot, failed ones included. A fork removes the newest slots."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from solders.pubkey import Pubkey
from solders.transaction_metadata import InnerInstruction

from solpay_pipeline.localnet.chain.errors import TransactionErrorJson
from solpay_pipeline.localnet.chain.transactions import Decoded


@dataclass(frozen=True, slots=True)
class TokenBalance:
    """One token account's balance at one end of a transaction; `amount` in base units."""

    account_index: int
    mint: Pubkey
    owner: Pubkey
    program: Pubkey
    amount: int
    decimals: int


@dataclass(frozen=True, slots=True)
class Executed:
    """The runtime's result: `err` is None for success; `fee` and balances are lamports, in address order."""

    err: TransactionErrorJson | None
    fee: int
    logs: tuple[str, ...]
    compute_units: int
    inner_instructions: tuple[tuple[InnerInstruction, ...], ...]
    return_data: tuple[Pubkey, bytes] | None
    pre_balances: tuple[int, ...]
    post_balances: tuple[int, ...]
    pre_token_balances: tuple[TokenBalance, ...]
    post_token_balances: tuple[TokenBalance, ...]


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """A transaction in a block, landed or failed."""

    slot: int
    index_in_block: int
    block_time: int
    decoded: Decoded
    executed: Executed
    memo: str | None

    @property
    def signature(self) -> str:
        """The transaction's id, base58."""
        return self.decoded.signature

    @property
    def err(self) -> TransactionErrorJson | None:
        """None for success."""
        return self.executed.err


class History:
    """Every transaction since the first slot, or the recent ones with bounded history, without those that a fork
    removed.
    """

    def __init__(self) -> None:
        self._pruned = 0
        self._by_signature: dict[str, TransactionRecord] = {}
        self._by_address: dict[Pubkey, deque[TransactionRecord]] = {}
        self._by_slot: dict[int, list[TransactionRecord]] = {}

    def add(self, record: TransactionRecord) -> None:
        """Appends to the newest block."""
        self._by_signature[record.signature] = record
        self._by_slot.setdefault(record.slot, []).append(record)
        for address in dict.fromkeys(record.decoded.keys):
            self._by_address.setdefault(address, deque()).append(record)

    def get(self, signature: str) -> TransactionRecord | None:
        """The transaction, None where it is in no block."""
        return self._by_signature.get(signature)

    def count(self) -> int:
        """How many transactions there are, forgotten old ones included."""
        return self._pruned + len(self._by_signature)

    def everything(self) -> Iterator[TransactionRecord]:
        """All that is kept, oldest first."""
        return (record for block in self._by_slot.values() for record in block)

    def continue_after(self, forgotten: int) -> None:
        """Counts earlier transactions that are not kept here."""
        self._pruned += forgotten

    def block(self, slot: int) -> list[TransactionRecord]:
        """The transactions of one slot, in their order."""
        return self._by_slot.get(slot, [])

    def newest_first(self, address: Pubkey) -> Iterator[TransactionRecord]:
        """The transactions that name the address, from the newest back."""
        return reversed(self._by_address.get(address, deque()))

    def recent_blocks(self, since_slot: int) -> Iterable[tuple[int, list[TransactionRecord]]]:
        """Blocks with transactions from `since_slot` on, oldest first."""
        found: list[tuple[int, list[TransactionRecord]]] = []
        for slot in reversed(self._by_slot):
            if slot < since_slot:
                break
            found.append((slot, self._by_slot[slot]))
        return reversed(found)

    def forget_above(self, slot: int) -> list[TransactionRecord]:
        """Removes every transaction above `slot` and returns them, oldest first."""
        forgotten = [record for _, block in self.recent_blocks(slot + 1) for record in block]
        for record in reversed(forgotten):
            del self._by_signature[record.signature]
            self._by_slot.pop(record.slot, None)
            for address in dict.fromkeys(record.decoded.keys):
                self._by_address[address].pop()
        return forgotten

    def forget_below(self, slot: int) -> None:
        """Drops the blocks below `slot`, to bound memory."""
        while self._by_slot and (oldest := next(iter(self._by_slot))) < slot:
            for record in self._by_slot.pop(oldest):
                del self._by_signature[record.signature]
                self._pruned += 1
                for address in dict.fromkeys(record.decoded.keys):
                    of_address = self._by_address[address]
                    of_address.popleft()
                    if not of_address:
                        del self._by_address[address]
