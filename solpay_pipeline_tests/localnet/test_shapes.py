"""Answers have the documented shape, where no client's own parser says so."""

from base64 import b64decode
from typing import Any

import pytest
import zstandard
from base58 import b58encode
from solders.keypair import Keypair

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.token_layout import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline_tests.localnet.ground import SOL, Caller, pay, signed, text


@pytest.fixture
def account(chain: Chain, seed: Seed, wallet: Keypair) -> str:
    """A token account whose 7 base units are final."""
    mint = seed.create_mint()
    seed.pay_token(wallet.pubkey(), mint, 7)
    chain.advance(32)
    return str(seed.ata(wallet.pubkey(), mint))


def shown(rpc: Caller, account: str, **options: Any) -> Any:
    return rpc.value("getAccountInfo", account, options)["data"]


def test_an_account_comes_in_every_encoding(rpc: Caller, account: str) -> None:
    raw = b64decode(shown(rpc, account, encoding="base64")[0])
    assert len(raw) == 165
    part = {"offset": 64, "length": 8}
    assert shown(rpc, account, encoding="base58", dataSlice=part) == [
        b58encode(raw[64:72]).decode(),
        "base58",
    ]
    assert shown(rpc, account, dataSlice=part) == b58encode(raw[64:72]).decode()
    assert shown(rpc, account, encoding="base64", dataSlice={"offset": 160, "length": 99})[0] == text(
        raw[160:]
    )
    packed, encoding = shown(rpc, account, encoding="base64+zstd")
    assert encoding == "base64+zstd"
    assert zstandard.decompress(b64decode(packed)) == raw
    program = str(TOKEN_2022_PROGRAM)
    assert (
        zstandard.decompress(b64decode(shown(rpc, program, encoding="base64+zstd")[0]))[:4] == b"\x02\0\0\0"
    )
    assert shown(rpc, account, encoding="jsonParsed")["parsed"]["type"] == "account"
    assert rpc.error("getAccountInfo", account)["code"] == -32600
    assert rpc.error("getAccountInfo", "1" * 32, {"encoding": "hex"})["code"] == -32602
    assert rpc.error("getAccountInfo", "1" * 32, {"dataSlice": {"offset": 0}})["code"] == -32602


def test_what_was_read_once_is_read_anew_when_it_has_changed(
    rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    address, levels = str(wallet.pubkey()), ("processed", "confirmed", "finalized")

    def lamports() -> list[int | None]:
        accounts = [
            rpc.value("getMultipleAccounts", [address], {"commitment": level, "encoding": "base64"})[0]
            for level in levels
        ]
        return [each and each["lamports"] for each in accounts]

    assert lamports() == [None, None, None]
    seed.pay_sol(wallet.pubkey(), SOL)
    assert lamports() == [SOL, None, None]
    chain.advance(32)
    assert lamports() == lamports() == [SOL, SOL, SOL]
    seed.pay_sol(wallet.pubkey(), SOL)
    chain.advance(1)
    assert lamports() == [2 * SOL, 2 * SOL, SOL]
    chain.fork()
    assert lamports() == [SOL, SOL, SOL]
    chain.put_account(wallet.pubkey(), None)
    assert lamports() == [None, SOL, SOL]


def test_a_preflight_that_fails_leaves_nothing_behind(
    rpc: Caller, chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    before = chain.accounts.newest(rich.pubkey())
    blockhash, _ = chain.latest_blockhash("finalized")
    half = [pay(rich, wallet.pubkey(), SOL), pay(rich, wallet.pubkey(), 100 * SOL)]
    for level in ("processed", "finalized"):
        wire = signed(half, blockhash, [rich])
        error = rpc.error("sendTransaction", text(wire), {"encoding": "base64", "preflightCommitment": level})
        assert error["code"] == -32002
        assert error["data"]["err"] == {"InstructionError": [1, {"Custom": 1}]}
        assert error["data"]["unitsConsumed"] == 300
        assert "Transfer: insufficient lamports" in "\n".join(error["data"]["logs"])
    assert chain.accounts.newest(rich.pubkey()) == before
    assert chain.accounts.newest(wallet.pubkey()) is None
    assert rpc.value("getSignatureStatuses", [b58encode(wire[1:65]).decode()]) == [None]
    skipped = rpc.send(wire, skipPreflight=True)
    assert rpc.value("getSignatureStatuses", [skipped])[0]["err"] == {"InstructionError": [1, {"Custom": 1}]}


def test_program_accounts_are_filtered_as_asked(rpc: Caller, account: str, wallet: Keypair) -> None:
    program, owner = str(TOKEN_PROGRAM), bytes(wallet.pubkey())

    def found(*filters: object) -> list[str]:
        rows = rpc.result("getProgramAccounts", program, {"filters": filters, "encoding": "base64"})
        return [row["pubkey"] for row in rows]

    for given in (
        {"bytes": b58encode(owner).decode()},
        {"bytes": b58encode(owner).decode(), "encoding": "base58"},
        {"bytes": text(owner), "encoding": "base64"},
        {"bytes": list(owner)},
    ):
        assert found({"dataSize": 165}, {"memcmp": {"offset": 32} | given}) == [account]
    assert account in found("tokenAccountState")
    assert len(found("tokenAccountState")) == len(found({"dataSize": 165}))
    for wrong in (
        [{"dataSize": "165"}],
        [{"memcmp": {"bytes": "1"}}],
        [{"memcmp": {"offset": 0, "bytes": "0"}}],
        [{"memcmp": {"offset": 0, "bytes": [256]}}],
        [{"memcmp": {"offset": 0, "bytes": "1" * 200}}],
        [{"dataSize": 1}] * 5,
        ["anything"],
        {},
    ):
        error = rpc.error(
            "getProgramAccounts", program, {"filters": wrong} if wrong else {"filters": {"a": 1}}
        )
        assert error["code"] == -32602


def test_browsers_health_checks_and_wrong_doors(node: Node, rpc: Caller) -> None:
    allowed = rpc.http.options("/")
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "*"
    assert (
        rpc.post({"jsonrpc": "2.0", "id": 1, "method": "getSlot"}).headers["access-control-allow-origin"]
        == "*"
    )
    assert rpc.http.get("/").status_code == 405
    assert rpc.http.get("/nowhere").status_code == 404
    assert rpc.http.get("/health").text == "ok"


def test_a_request_without_the_protocol_s_version_is_refused(rpc: Caller) -> None:
    answer = rpc.post({"id": 5, "method": "getSlot"}).json()
    assert answer["error"] == {"code": -32600, "message": "Unsupported JSON-RPC protocol version"}
    assert answer["id"] == 5
