"""How many requests a second the embedded chain answers: python -m benchmarks.localnet [seconds of each measurement].

The chain runs in a process of its own, as `solpay localnet` does. One client sends over one keep-alive connection, one
request after the other; it reads each answer to its end and parses a sample, so that what is measured is the server.
"""

import json
import os
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator

from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from benchmarks.chain import LocalChain, serving

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
SIGNERS = 6
ACCOUNTS = 100
SENT_AHEAD = 1_000
"""Transactions signed before the clock runs; their blockhash lives for 150 slots of 0.4 s."""

SOL = 1_000_000_000


def main() -> None:
    options = ["-m", "solpay_pipeline", "localnet", "--history-slots", "1000"]
    with serving(lambda port: [*options, "--port", str(port)]) as chain:
        measure(chain)


def measure(chain: LocalChain) -> None:
    connection = Connection(chain.port)
    payers = [Keypair() for _ in range(SIGNERS)]
    addresses = [str(payer.pubkey()) for payer in payers]
    addresses += [str(Pubkey.new_unique()) for _ in range(ACCOUNTS - SIGNERS)]
    for address in addresses:
        chain.call("requestAirdrop", address, 1_000 * SOL)
    time.sleep(15)

    def show(name: str, requests: Iterable[bytes]) -> None:
        used = chain.cpu()
        took, seconds = drive(connection, requests)
        used = (chain.cpu() - used) / len(took) * 1e6
        took.sort()
        fastest, median = (took[int(len(took) * share)] * 1e6 for share in (0.05, 0.5))
        print(
            f"{name:30} {len(took) / seconds:6,.0f} a second; each: median {median:5,.0f} us, "
            f"fastest twentieth {fastest:5,.0f} us, server's CPU {used:5,.0f} us"
        )

    show("getSlot", repeat(request("getSlot", [{"commitment": "processed"}])))
    read = request("getMultipleAccounts", [addresses, {"encoding": "base64"}])
    show(f"getMultipleAccounts({ACCOUNTS})", repeat(read))
    latest = chain.call("getLatestBlockhash", {"commitment": "confirmed"})["value"]["blockhash"]
    wires = [payment(payers, number, Hash.from_string(latest)) for number in range(SENT_AHEAD)]
    options = {"encoding": "base64", "preflightCommitment": "processed"}
    sends = [request("sendTransaction", [b64encode(wire).decode(), options]) for wire in wires]
    show(f"sendTransaction({SIGNERS} signatures)", sends)
    print(f"the server's memory: {memory_mib(chain.pid)} MiB")


def payment(payers: list[Keypair], number: int, blockhash: Hash) -> bytes:
    to = payers[0].pubkey()
    moves = [
        transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=1_000 + number))
        for payer in payers[1:]
    ]
    return bytes(VersionedTransaction(MessageV0.try_compile(to, moves, [], blockhash), payers))


class Connection:
    """One keep-alive HTTP connection, as plain as can be."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def ask(self, raw: bytes) -> bytes:
        self._socket.sendall(raw)
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._receive()
        head, _, body = self._rest.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        parts, missing = [body], length - len(body)
        while missing > 0:
            parts.append(self._receive())
            missing -= len(parts[-1])
        whole = b"".join(parts)
        self._rest = whole[length:]
        return whole[:length]

    def _receive(self) -> bytes:
        received = self._socket.recv(1 << 18)
        if not received:
            raise ConnectionError("the server hung up")
        return received


def request(method: str, params: list[object]) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    head = [
        "POST / HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def drive(connection: Connection, requests: Iterable[bytes]) -> tuple[list[float], float]:
    """Seconds of each request, and of all together."""
    took, began = [], time.perf_counter()
    for each in requests:
        asked = time.perf_counter()
        answer = connection.ask(each)
        took.append(time.perf_counter() - asked)
        if len(took) % 50 == 1:
            assert "result" in json.loads(answer), answer[:500]
        if asked - began > SECONDS:
            break
    return took, time.perf_counter() - began


def repeat(each: bytes) -> Iterator[bytes]:
    while True:
        yield each


def memory_mib(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


if __name__ == "__main__":
    main()
