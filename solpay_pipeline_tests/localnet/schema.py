"""The methods of the JSON-RPC and what they take, and requests made from that: good ones, and ones with parameters that
are absent, of the wrong type, out of range or of the wrong size.

`Requests` draws from a `random.Random`; hypothesis lends one whose draws it can shrink.
"""

import itertools
import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from base58 import b58encode
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.tools.seed import TOKEN, TOKEN_2022, Seed
from solpay_pipeline_tests.localnet.ground import SOL, pay, signed

DOCUMENTED_CODES = {
    -32700,  # parse error
    -32600,  # invalid request
    -32601,  # method not found
    -32602,  # invalid params
    -32603,  # internal error: the faucet's refusal of requestAirdrop
    -32001,  # block cleaned up
    -32002,  # preflight failure
    -32003,  # signature verification failure
    -32004,  # block not available
    -32005,  # node unhealthy
    -32008,  # no snapshot
    -32011,  # no transaction history
    -32015,  # unsupported transaction version
    -32016,  # minContextSlot not reached
    -32020,  # before/until not found
}

Draw = Callable[[random.Random], Any]

ADDRESS, SIGNATURE, BLOCKHASH, WIRE, MESSAGE = "address", "signature", "blockhash", "wire", "message"
SLOT, SIZE, LIMIT, LAMPORTS, FLAG = "slot", "size", "limit", "lamports", "flag"
ADDRESSES, SIGNATURES, TOKEN_FILTER, FILTERS, SLICE, SIMULATED = (
    "addresses",
    "signatures",
    "token filter",
    "filters",
    "slice",
    "simulated",
)
COMMITMENT, ENCODING, TRANSACTION_ENCODING, DETAILS = "commitment", "encoding", "tx encoding", "details"
VERSION, CONTEXT_SLOT = "version", "context slot"

READ = {"commitment": COMMITMENT, "minContextSlot": CONTEXT_SLOT}
SHOWN = READ | {"encoding": ENCODING, "dataSlice": SLICE}
HISTORY = {
    "commitment": COMMITMENT,
    "encoding": TRANSACTION_ENCODING,
    "maxSupportedTransactionVersion": VERSION,
    "minContextSlot": CONTEXT_SLOT,
}

METHODS: dict[str, list[str | dict[str, str]]] = {
    "getAccountInfo": [ADDRESS, SHOWN],
    "getAgGenesisCert": [],
    "getBalance": [ADDRESS, READ],
    "getBlock": [SLOT, HISTORY | {"transactionDetails": DETAILS, "rewards": FLAG}],
    "getBlockHeight": [READ],
    "getBlockTime": [SLOT],
    "getBlocks": [SLOT, SLOT, READ],
    "getBlocksWithLimit": [SLOT, LIMIT, READ],
    "getClusterNodes": [],
    "getEpochInfo": [READ],
    "getEpochSchedule": [],
    "getFeeForMessage": [MESSAGE, READ],
    "getFirstAvailableBlock": [],
    "getGenesisHash": [],
    "getHealth": [],
    "getHighestSnapshotSlot": [],
    "getIdentity": [],
    "getLatestBlockhash": [READ],
    "getMinimumBalanceForRentExemption": [SIZE, READ],
    "getMultipleAccounts": [ADDRESSES, SHOWN],
    "getProgramAccounts": [ADDRESS, SHOWN | {"filters": FILTERS, "withContext": FLAG}],
    "getRecentPerformanceSamples": [LIMIT],
    "getRecentPrioritizationFees": [ADDRESSES],
    "getSignatureStatuses": [SIGNATURES, {"searchTransactionHistory": FLAG}],
    "getSignaturesForAddress": [
        ADDRESS,
        READ | {"limit": LIMIT, "before": SIGNATURE, "until": SIGNATURE},
    ],
    "getSlot": [READ],
    "getSlotLeader": [READ],
    "getSlotLeaders": [SLOT, LIMIT],
    "getTokenAccountBalance": [ADDRESS, READ],
    "getTokenAccountsByDelegate": [ADDRESS, TOKEN_FILTER, SHOWN],
    "getTokenAccountsByOwner": [ADDRESS, TOKEN_FILTER, SHOWN],
    "getTokenLargestAccounts": [ADDRESS, READ],
    "getTokenSupply": [ADDRESS, READ],
    "getTransaction": [SIGNATURE, HISTORY],
    "getTransactionCount": [READ],
    "getVersion": [],
    "getVoteAccounts": [READ],
    "isBlockhashValid": [BLOCKHASH, READ],
    "minimumLedgerSlot": [],
    "requestAirdrop": [ADDRESS, LAMPORTS, READ],
    "sendTransaction": [
        WIRE,
        {
            "encoding": "wire encoding",
            "skipPreflight": FLAG,
            "preflightCommitment": COMMITMENT,
            "maxRetries": LIMIT,
            "minContextSlot": CONTEXT_SLOT,
        },
    ],
    "simulateTransaction": [
        WIRE,
        {
            "encoding": "wire encoding",
            "commitment": COMMITMENT,
            "sigVerify": FLAG,
            "replaceRecentBlockhash": FLAG,
            "innerInstructions": FLAG,
            "accounts": SIMULATED,
            "minContextSlot": CONTEXT_SLOT,
        },
    ],
}
"""Parameters by method: a kind of value, or an object of options with their kinds."""

WEIGHTED = [*METHODS, *["sendTransaction", "simulateTransaction", "getTransaction"] * 3]
"""What changes the chain, and what has most to say, is asked more often."""

NONSENSE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    2**63,
    2**64,
    1e308,
    "",
    "nonsense",
    "1" * 32,
    "é" * 40,
    "1" * 2_000,
    [],
    {},
    [None],
    [[]],
    {"": 1},
    {"commitment": 7},
)


@dataclass(slots=True)
class Ground:
    """What is on the chain that requests can ask for."""

    addresses: list[str]
    signatures: list[str]
    payers: list[Keypair]

    @classmethod
    def laid(cls, chain: Chain) -> "Ground":
        """Accounts, mints and transactions of many kinds."""
        seed = Seed(chain)
        wallets = [Keypair() for _ in range(4)]
        plain = seed.create_mint()
        fees = seed.create_mint(program=TOKEN_2022, transfer_fee_basis_points=50)
        signatures = [seed.pay_sol(wallet.pubkey(), 5 * SOL) for wallet in wallets]
        for wallet in wallets:
            signatures.append(seed.pay_token(wallet.pubkey(), plain, 1_000))
            signatures.append(seed.pay_token(wallet.pubkey(), fees, 1_000, version=1))
        chain.advance(40)
        keys = [TOKEN, TOKEN_2022, Pubkey.default(), plain, fees, seed.customer.pubkey(), Pubkey.new_unique()]
        keys += [wallet.pubkey() for wallet in wallets]
        keys += [seed.ata(wallet.pubkey(), mint) for wallet in wallets for mint in (plain, fees)]
        return cls([str(key) for key in keys], signatures, wallets)


class Requests:
    """Draws request bodies for a chain."""

    def __init__(self, chain: Chain, ground: Ground) -> None:
        self._chain = chain
        self._ground = ground
        self._numbers = itertools.count(1)
        self._kinds: dict[str, Draw] = {
            ADDRESS: lambda die: die.choice(ground.addresses),
            SIGNATURE: lambda die: die.choice([*ground.signatures, str(Signature.default())]),
            BLOCKHASH: lambda die: str(self._blockhash(die)),
            WIRE: self._wire,
            MESSAGE: self._message,
            SLOT: lambda die: die.choice([0, 1, 1_000, chain.tick(), chain.tick() - 5, 10**9, 2**64 - 1]),
            SIZE: lambda die: die.choice([0, 82, 165, 10_000, 10**8, 2**64 - 1]),
            LIMIT: lambda die: die.choice([0, 1, 5, 1_000, 1_001, 10**6]),
            LAMPORTS: lambda die: die.choice([0, 1, 5_000, SOL, 10**16, 2**64 - 1]),
            FLAG: lambda die: die.random() < 0.5,
            ADDRESSES: lambda die: die.choices(ground.addresses, k=die.choice([0, 1, 3, 100, 101])),
            SIGNATURES: lambda die: die.choices(ground.signatures, k=die.choice([0, 1, 3, 256, 257])),
            TOKEN_FILTER: lambda die: {
                die.choice(["mint", "programId", "none"]): die.choice(ground.addresses)
            },
            FILTERS: lambda die: [self._filter(die) for _ in range(die.choice([0, 1, 2, 5]))],
            SLICE: lambda die: {
                "offset": die.choice([0, 5, 10**9]),
                "length": die.choice([0, 32, 2**64 - 1]),
            },
            SIMULATED: lambda die: {
                "addresses": die.choices(ground.addresses, k=2),
                "encoding": die.choice(["base64", "jsonParsed", "base58"]),
            },
            COMMITMENT: lambda die: die.choice(["processed", "confirmed", "finalized", "recent", "max"]),
            ENCODING: lambda die: die.choice(["base58", "base64", "base64+zstd", "jsonParsed", "binary"]),
            TRANSACTION_ENCODING: lambda die: die.choice(
                ["json", "jsonParsed", "base58", "base64", "binary"]
            ),
            DETAILS: lambda die: die.choice(["full", "accounts", "signatures", "none"]),
            VERSION: lambda die: die.choice([0, 1, 255]),
            CONTEXT_SLOT: lambda die: die.choice([0, 1_000, chain.tick() - 40, chain.tick() - 40, 10**12]),
            "wire encoding": lambda die: die.choice(["base64", "base64", "base64", "base58"]),
        }

    def body(self, die: random.Random) -> Any:
        """One request body: mostly one call, now and then an array or no call at all."""
        fate = die.random()
        if fate < 0.01:
            return die.choice(NONSENSE)
        if fate < 0.03:
            return [self._call(die) for _ in range(die.choice([0, 1, 2, 5]))]
        return self._call(die)

    def _call(self, die: random.Random) -> Any:
        name = die.choice(WEIGHTED)
        call: dict[str, Any] = {"jsonrpc": "2.0", "id": next(self._numbers), "method": name}
        params = [self._parameter(kind, die) for kind in METHODS[name]]
        if die.random() < 0.25:
            params = self._spoiled(params, die)
        call["params"] = params
        if die.random() < 0.02:
            call[die.choice(["jsonrpc", "id", "method", "params"])] = die.choice(NONSENSE)
        return call

    def _parameter(self, kind: str | dict[str, str], die: random.Random) -> Any:
        if isinstance(kind, str):
            return self._kinds[kind](die)
        return {name: self._kinds[each](die) for name, each in kind.items() if die.random() < 0.3}

    def _spoiled(self, params: list[Any], die: random.Random) -> list[Any]:
        spoiled = list(params)
        way = die.random()
        if way < 0.3:
            del spoiled[die.randrange(len(spoiled) + 1) :]
        elif way < 0.4 or not spoiled:
            spoiled.append(die.choice(NONSENSE))
        else:
            index = die.randrange(len(spoiled))
            options = spoiled[index]
            if isinstance(options, dict) and options:
                spoiled[index] = {**options, die.choice(list(options)): die.choice(NONSENSE)}
            else:
                spoiled[index] = die.choice(NONSENSE)
        return spoiled

    def _filter(self, die: random.Random) -> Any:
        size = {"dataSize": die.choice([82, 165, 10**9])}
        text = {
            "memcmp": {"offset": die.choice([0, 32, 10**12]), "bytes": die.choice(self._ground.addresses)}
        }
        raw = {"memcmp": {"offset": 0, "bytes": [1, 2, 3]}}
        return die.choice([size, text, raw, "tokenAccountState", die.choice(NONSENSE)])

    def _blockhash(self, die: random.Random) -> Any:
        return self._chain.latest_blockhash(die.choice(["processed", "confirmed", "finalized"]))[0]

    def _wire(self, die: random.Random) -> str:
        payer, other = die.choice(self._ground.payers), die.choice(self._ground.payers)
        lamports = die.choice([0, 1, 1_000, 10 * SOL])
        wire = bytearray(
            signed(
                [pay(payer, other.pubkey(), lamports)],
                self._blockhash(die),
                [payer],
                die.choice([None, 0, 1]),
            )
        )
        if die.random() < 0.4:
            wire[die.randrange(len(wire))] ^= die.choice([1, 0x80, 0xFF])
        if die.random() < 0.1:
            wire += bytes(die.choice([1, 1_000, 5_000]))
        if die.random() < 0.1:
            del wire[die.randrange(len(wire)) :]
        return b64encode(wire).decode() if die.random() < 0.9 else b58encode(bytes(wire)).decode()

    def _message(self, die: random.Random) -> str:
        payer = die.choice(self._ground.payers)
        message = MessageV0.try_compile(
            payer.pubkey(), [pay(payer, payer.pubkey(), 1)], [], self._blockhash(die)
        )
        raw = bytearray(bytes(VersionedTransaction(message, [payer]).message))
        # solders leaves the version's byte out of a bare message.
        raw[:0] = b"\x80"
        if die.random() < 0.4:
            raw[die.randrange(len(raw))] ^= die.choice([1, 0x80, 0xFF])
        return b64encode(raw).decode()
