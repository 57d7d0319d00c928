"""What the tests of the embedded chain stand on: a plain JSON-RPC caller and transactions made by hand."""

import itertools
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import httpx2
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0, MessageV1, TransactionConfig
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

SOL = 1_000_000_000


class Caller:
    """Calls methods of a node over one connection, without any Solana client in between."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url)
        self._ids = itertools.count(1)

    def post(self, body: object) -> httpx2.Response:
        """One HTTP request."""
        return self.http.post("/", json=body)

    def answer(self, method: str, *params: object) -> dict[str, Any]:
        """The whole JSON-RPC answer."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
        answer: dict[str, Any] = self.post(body).json()
        assert answer["id"] == body["id"]
        return answer

    def result(self, method: str, *params: object) -> Any:
        """The result; an assertion where there is an error."""
        answer = self.answer(method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    def value(self, method: str, *params: object) -> Any:
        """The result's value, less its context."""
        return self.result(method, *params)["value"]

    def error(self, method: str, *params: object) -> dict[str, Any]:
        """The error; an assertion where there is a result."""
        answer = self.answer(method, *params)
        assert "result" not in answer, answer
        error: dict[str, Any] = answer["error"]
        return error

    def send(self, wire: bytes, **options: object) -> str:
        """sendTransaction in base64."""
        signature: str = self.result("sendTransaction", text(wire), {"encoding": "base64"} | options)
        return signature


def pay(sender: Keypair, to: Pubkey, lamports: int) -> Instruction:
    """A system transfer."""
    return transfer(TransferParams(from_pubkey=sender.pubkey(), to_pubkey=to, lamports=lamports))


def signed(
    instructions: Sequence[Instruction], blockhash: Hash, signers: Sequence[Keypair], version: int | None = 0
) -> bytes:
    """A transaction's bytes; the first signer pays. `version` None is a legacy one."""
    payer = signers[0].pubkey()
    message: Message | MessageV0 | MessageV1
    if version == 1:
        config = TransactionConfig(compute_unit_limit=400_000, loaded_accounts_data_size_limit=2**26)
        message = MessageV1.try_compile(payer, list(instructions), blockhash, config)
    elif version == 0:
        message = MessageV0.try_compile(payer, list(instructions), [], blockhash)
    else:
        message = Message.new_with_blockhash(list(instructions), payer, blockhash)
    return bytes(VersionedTransaction(message, list(signers)))


def text(wire: bytes) -> str:
    """Base64."""
    return b64encode(wire).decode()
