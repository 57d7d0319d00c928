"""A whole chain as one JSON object, to save and resume it."""

from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction_metadata import InnerInstruction

from solpay_pipeline.localnet.chain.account_files import account_from_json, account_to_json
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.chain.history import Executed, TokenBalance, TransactionRecord
from solpay_pipeline.localnet.chain.transactions import decoded_with, parse

FORMAT = 1
"""Version of the JSON object; no other is read."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A chain at rest. `anchors` are slots and the unix times they began at; the last is the snapshot's own, taken at
    `taken_at`. `late` are transactions on their way, with the slots that they land in.
    """

    config: ChainConfig
    slot: int
    taken_at: float
    anchors: list[tuple[int, float]]
    blockhashes: list[tuple[int, str]]
    rent_lamports_per_byte: int
    airdrops: int
    first_available: int
    forgotten: int
    accounts: list[tuple[Pubkey, Account]]
    records: list[TransactionRecord]
    late: list[tuple[int, bytes]]

    def to_json(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "format": FORMAT,
            "config": asdict(self.config),
            "slot": self.slot,
            "takenAt": self.taken_at,
            "anchors": self.anchors,
            "blockhashes": self.blockhashes,
            "rentLamportsPerByte": self.rent_lamports_per_byte,
            "airdrops": self.airdrops,
            "firstAvailable": self.first_available,
            "forgotten": self.forgotten,
            "accounts": [account_to_json(address, account) for address, account in self.accounts],
            "transactions": [_record_to_json(record) for record in self.records],
            "late": [[slot, _text(wire)] for slot, wire in self.late],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Snapshot":
        """The chain in a JSON object; ValueError where it is of another format or damaged."""
        if content.get("format") != FORMAT:
            raise ValueError(f"it is of format {content.get('format')}, this release reads format {FORMAT}")
        try:
            return cls(
                config=ChainConfig(**content["config"]),
                slot=content["slot"],
                taken_at=content["takenAt"],
                anchors=[(slot, unix_time) for slot, unix_time in content["anchors"]],
                blockhashes=[(slot, text) for slot, text in content["blockhashes"]],
                rent_lamports_per_byte=content["rentLamportsPerByte"],
                airdrops=content["airdrops"],
                first_available=content["firstAvailable"],
                forgotten=content["forgotten"],
                accounts=[account_from_json(each) for each in content["accounts"]],
                records=[_record_from_json(each) for each in content["transactions"]],
                late=[(slot, b64decode(text)) for slot, text in content["late"]],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is damaged: {error!r}") from error


def _record_to_json(record: TransactionRecord) -> dict[str, Any]:
    executed, decoded = record.executed, record.decoded
    returned = executed.return_data
    return {
        "slot": record.slot,
        "index": record.index_in_block,
        "blockTime": record.block_time,
        "memo": record.memo,
        "wire": _text(decoded.wire),
        "loadedWritable": [str(key) for key in decoded.loaded_writable],
        "loadedReadonly": [str(key) for key in decoded.loaded_readonly],
        "err": executed.err,
        "fee": executed.fee,
        "logs": executed.logs,
        "computeUnits": executed.compute_units,
        "inner": [[_text(bytes(each)) for each in group] for group in executed.inner_instructions],
        "returned": None if returned is None else [str(returned[0]), _text(returned[1])],
        "preBalances": executed.pre_balances,
        "postBalances": executed.post_balances,
        "preTokenBalances": [_balance_to_json(each) for each in executed.pre_token_balances],
        "postTokenBalances": [_balance_to_json(each) for each in executed.post_token_balances],
    }


def _record_from_json(content: dict[str, Any]) -> TransactionRecord:
    wire = b64decode(content["wire"])
    returned = content["returned"]
    return TransactionRecord(
        slot=content["slot"],
        index_in_block=content["index"],
        block_time=content["blockTime"],
        memo=content["memo"],
        decoded=decoded_with(
            parse(wire),
            wire,
            [Pubkey.from_string(text) for text in content["loadedWritable"]],
            [Pubkey.from_string(text) for text in content["loadedReadonly"]],
        ),
        executed=Executed(
            err=content["err"],
            fee=content["fee"],
            logs=tuple(content["logs"]),
            compute_units=content["computeUnits"],
            inner_instructions=tuple(
                tuple(InnerInstruction.from_bytes(b64decode(each)) for each in group)
                for group in content["inner"]
            ),
            return_data=None
            if returned is None
            else (Pubkey.from_string(returned[0]), b64decode(returned[1])),
            pre_balances=tuple(content["preBalances"]),
            post_balances=tuple(content["postBalances"]),
            pre_token_balances=tuple(_balance_from_json(each) for each in content["preTokenBalances"]),
            post_token_balances=tuple(_balance_from_json(each) for each in content["postTokenBalances"]),
        ),
    )


def _balance_to_json(balance: TokenBalance) -> list[Any]:
    keys = [str(balance.mint), str(balance.owner), str(balance.program)]
    return [balance.account_index, *keys, balance.amount, balance.decimals]


def _balance_from_json(content: list[Any]) -> TokenBalance:
    index, mint, owner, program, amount, decimals = content
    mint, owner, program = (Pubkey.from_string(text) for text in (mint, owner, program))
    return TokenBalance(index, mint, owner, program, amount, decimals)


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
