"""A chain is put away and taken up again; accounts and programs come from files."""

import json
import time
from pathlib import Path

import pytest
from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.account_files import account_to_json, load_account
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.chain.token_layout import ATA_PROGRAM, MEMO_PROGRAM
from solpay_pipeline.localnet.server import state_file
from solpay_pipeline.localnet.server.faults import Faults
from solpay_pipeline.localnet.server.launch import Launch, second_endpoint
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.tools.seed import TOKEN_2022, Seed
from solpay_pipeline_tests.localnet.ground import SOL, Caller, pay, signed

MANUAL = ChainConfig(clock="manual", seed=5, skipped_slots=3)


def transaction(chain: Chain, signature: str) -> object:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "getTransaction",
        "params": [signature, {"encoding": "jsonParsed", "maxSupportedTransactionVersion": 1}],
    }
    return json.loads(Node(chain, Faults()).answer(json.dumps(body).encode(), []))["result"]


def test_a_chain_goes_on_where_it_stopped(tmp_path: Path, wallet: Keypair) -> None:
    path = tmp_path / "chain.json"
    before = state_file.load(path, MANUAL)
    seed = Seed(before)
    mint = seed.create_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
    signatures = [
        seed.pay_sol(wallet.pubkey(), 5 * SOL),
        seed.pay_token(wallet.pubkey(), mint, 70),
        seed.pay_token(wallet.pubkey(), mint, 30, version=1),
    ]
    before.set_rent(696)
    before.warp(3_600)
    before.advance(40)
    blockhash, last_valid = before.latest_blockhash("finalized")
    state_file.save(before, path)
    after = state_file.load(path, MANUAL)
    assert after.genesis_hash == before.genesis_hash
    assert after.slot_at("finalized") == before.slot_at("processed") + 1
    assert after.history.count() == before.history.count()
    assert after.minimum_balance(165) == before.minimum_balance(165)
    assert [transaction(after, each) for each in signatures] == [
        transaction(before, each) for each in signatures
    ]
    assert after.block_time(before.tick()) == before.block_time(before.tick())
    again = Seed(after)
    account = again.ata(wallet.pubkey(), mint)
    assert again.token_balance(account) == seed.token_balance(account)
    assert after.accounts.token_accounts_of(wallet.pubkey()) == [account]
    assert after.block_height(after.tick()) <= last_valid
    assert after.submit(signed([pay(wallet, again.customer.pubkey(), SOL)], blockhash, [wallet])).err is None
    assert again.create_mint() != mint
    again.pay_token(Keypair().pubkey(), mint, 5)


def test_the_clock_and_the_history_setting_are_the_new_start_s(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    state_file.save(Chain(MANUAL), path)
    wall = ChainConfig(slot_seconds=0.05, history_slots=500)
    chain = state_file.load(path, wall)
    assert chain.config.seed == 5
    assert chain.config.history_slots == 500
    assert abs(chain.block_time(chain.tick()) - time.time()) < 10


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    for content in ("{", "{}", '{"format": 1}', '{"format": 2}'):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"chain\.json holds no chain"):
            state_file.load(path, MANUAL)


def test_what_is_on_its_way_still_arrives(tmp_path: Path, wallet: Keypair) -> None:
    path = tmp_path / "chain.json"
    chain = Chain(MANUAL)
    chain.airdrop(wallet.pubkey(), 5 * SOL)
    to = Keypair().pubkey()
    blockhash, _ = chain.latest_blockhash()
    chain.submit_late(signed([pay(wallet, to, SOL)], blockhash, [wallet]), 60)
    state_file.save(chain, path)
    resumed = state_file.load(path, MANUAL)
    assert Seed(resumed).lamports(to) == 0
    resumed.advance(40)
    assert Seed(resumed).lamports(to) == SOL


def test_accounts_come_from_the_files_that_the_solana_tool_writes(tmp_path: Path) -> None:
    address, owner = Pubkey.new_unique(), Pubkey.new_unique()
    account = Account(7 * SOL, b"content", owner, False, 2**64 - 1)
    (tmp_path / "one.json").write_text(json.dumps(account_to_json(address, account)))
    assert load_account(tmp_path / "one.json") == (address, account)
    chain = Launch(accounts=[tmp_path]).chain(MANUAL)
    assert chain.accounts.newest(address) == account
    (tmp_path / "two.json").write_text('{"pubkey": "x"}')
    with pytest.raises(ValueError, match=r"two\.json holds no account: an account needs 'account'"):
        Launch(accounts=[tmp_path]).chain(MANUAL)


def test_a_program_from_a_file_runs_and_survives_a_restart(tmp_path: Path, wallet: Keypair) -> None:
    memo_program = Chain(MANUAL).accounts.newest(MEMO_PROGRAM)
    program = Chain(MANUAL).accounts.newest(ATA_PROGRAM)
    assert program is not None
    assert memo_program is not None
    elf, address, state = tmp_path / "program.so", Pubkey.new_unique(), tmp_path / "chain.json"
    elf.write_bytes(program.data)
    chain = Launch(state, programs=[f"{address}={elf}"]).chain(MANUAL)
    unknown = Instruction(address, b"\xff", [AccountMeta(wallet.pubkey(), True, True)])

    def error(on: Chain) -> object:
        on.airdrop(wallet.pubkey(), SOL)
        blockhash, _ = on.latest_blockhash()
        record = on.submit(signed([unknown], blockhash, [wallet]))
        assert any(f"Program {address} invoke" in line for line in record.executed.logs)
        return record.err

    assert error(chain) == {"InstructionError": [0, "InvalidInstructionData"]}
    state_file.save(chain, state)
    resumed = state_file.load(state, MANUAL)
    resumed.advance(5)
    assert error(resumed) == {"InstructionError": [0, "InvalidInstructionData"]}
    elf.write_bytes(b"#!/bin/sh")
    with pytest.raises(ValueError, match="is not a program"):
        Launch(programs=[f"{address}={elf}"]).chain(MANUAL)
    elf.write_bytes(b"\x7fELF and no more")
    with pytest.raises(ValueError, match="is not a program that runs"):
        Launch(programs=[f"{address}={elf}"]).chain(MANUAL)
    with pytest.raises(ValueError, match="ADDRESS=FILE"):
        Launch(programs=[str(elf)]).chain(MANUAL)


def test_accounts_are_written_and_taken_away_by_admin_calls(rpc: Caller, wallet: Keypair) -> None:
    address, processed = str(wallet.pubkey()), {"commitment": "processed"}
    account = Account(SOL, b"", Pubkey.default(), False, 0)
    rpc.result("localnet_setAccount", account_to_json(wallet.pubkey(), account))
    assert rpc.value("getBalance", address, processed) == SOL
    rpc.result("localnet_closeAccount", address)
    assert rpc.value("getBalance", address, processed) == 0
    assert rpc.error("localnet_setAccount", {"pubkey": address})["code"] == -32602
    assert "without a state file" in rpc.error("localnet_saveState")["message"]


def test_a_second_endpoint_is_a_port_and_a_lag() -> None:
    assert second_endpoint("8898:150") == (8898, 150)
    for text in ("8898", ":", "a:b", "1:-1"):
        with pytest.raises(ValueError, match="PORT:SLOTS"):
            second_endpoint(text)
