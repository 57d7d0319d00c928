"""Version-1 configurations are enforced, and lookup tables are resolved, as on mainnet."""

import struct
from collections.abc import Sequence

import pytest
from solders.account import Account
from solders.address_lookup_table_account import ID as LOOKUP_TABLES
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_loaded_accounts_data_size_limit
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0, MessageV1, TransactionConfig
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.errors import Rejected
from solpay_pipeline.localnet.chain.history import TransactionRecord
from solpay_pipeline_tests.localnet.ground import SOL, Caller, pay, signed, text

BYTES = 2**20


def submit_v1(
    chain: Chain, payer: Keypair, instructions: Sequence[Instruction], config: TransactionConfig
) -> TransactionRecord:
    blockhash, _ = chain.latest_blockhash()
    message = MessageV1.try_compile(payer.pubkey(), list(instructions), blockhash, config)
    return chain.submit(bytes(VersionedTransaction(message, [payer])))


def test_a_priority_fee_is_a_total_in_lamports(chain: Chain, rich: Keypair, wallet: Keypair) -> None:
    config = TransactionConfig(
        priority_fee=777, compute_unit_limit=1_000, loaded_accounts_data_size_limit=BYTES
    )
    record = submit_v1(chain, rich, [pay(rich, wallet.pubkey(), SOL)], config)
    assert record.err is None
    assert record.executed.fee == 5_777
    assert record.executed.pre_balances[0] - record.executed.post_balances[0] == SOL + 5_777
    assert record.executed.logs == (
        "Program 11111111111111111111111111111111 invoke [1]",
        "Program 11111111111111111111111111111111 success",
    )
    assert record.executed.compute_units == 150


def test_a_payer_short_of_the_priority_fee_pays_nothing(chain: Chain, rich: Keypair, wallet: Keypair) -> None:
    config = TransactionConfig(
        priority_fee=20 * SOL, compute_unit_limit=1_000, loaded_accounts_data_size_limit=BYTES
    )
    with pytest.raises(Rejected, match="Insufficient funds for fee"):
        submit_v1(chain, rich, [pay(rich, wallet.pubkey(), SOL)], config)
    found = chain.accounts.newest(rich.pubkey())
    assert found is not None
    assert found.lamports == 10 * SOL


@pytest.mark.parametrize(("limit", "failing"), [(None, 0), (149, 0), (150, 1), (299, 1)])
def test_an_unnamed_compute_limit_is_zero_and_a_short_one_fails_where_it_ends(
    chain: Chain, rich: Keypair, wallet: Keypair, limit: int | None, failing: int
) -> None:
    config = TransactionConfig(compute_unit_limit=limit, loaded_accounts_data_size_limit=BYTES)
    record = submit_v1(chain, rich, [pay(rich, wallet.pubkey(), SOL)] * 2, config)
    assert record.err == {"InstructionError": [failing, "ComputationalBudgetExceeded"]}
    assert chain.accounts.newest(wallet.pubkey()) is None


def test_a_failing_instruction_keeps_its_index(chain: Chain, rich: Keypair, wallet: Keypair) -> None:
    config = TransactionConfig(compute_unit_limit=1_000, loaded_accounts_data_size_limit=BYTES)
    instructions = [pay(rich, wallet.pubkey(), SOL), pay(rich, wallet.pubkey(), 100 * SOL)]
    record = submit_v1(chain, rich, instructions, config)
    assert record.err == {"InstructionError": [1, {"Custom": 1}]}
    assert len(record.executed.inner_instructions) == 2


def test_a_limit_on_loaded_bytes_must_be_named_and_kept(chain: Chain, rich: Keypair, wallet: Keypair) -> None:
    instructions = [pay(rich, wallet.pubkey(), SOL)]
    with pytest.raises(Rejected, match="LoadedAccountsDataSizeLimit"):
        submit_v1(chain, rich, instructions, TransactionConfig(compute_unit_limit=1_000))
    short = TransactionConfig(compute_unit_limit=1_000, loaded_accounts_data_size_limit=100)
    assert submit_v1(chain, rich, instructions, short).err == "MaxLoadedAccountsDataSizeExceeded"


def test_a_simulation_tells_the_bytes_that_the_limit_must_cover(
    rpc: Caller, chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    blockhash, _ = chain.latest_blockhash("finalized")
    plain = signed([pay(rich, wallet.pubkey(), SOL)], blockhash, [rich], 1)
    value = rpc.value("simulateTransaction", text(plain), {"encoding": "base64"})
    needed = value["loadedAccountsDataSize"]
    for limit, err in ((needed, None), (needed - 1, "MaxLoadedAccountsDataSizeExceeded")):
        config = TransactionConfig(compute_unit_limit=1_000, loaded_accounts_data_size_limit=limit)
        assert submit_v1(chain, rich, [pay(rich, wallet.pubkey(), SOL + limit)], config).err == err


def test_the_limit_binds_earlier_versions_too(chain: Chain, rich: Keypair, wallet: Keypair) -> None:
    blockhash, _ = chain.latest_blockhash()
    limited = [set_loaded_accounts_data_size_limit(1), pay(rich, wallet.pubkey(), SOL)]
    assert chain.submit(signed(limited, blockhash, [rich])).err == "MaxLoadedAccountsDataSizeExceeded"


def test_a_lookup_table_adds_its_addresses(rpc: Caller, chain: Chain, rich: Keypair, wallet: Keypair) -> None:
    table, other = Pubkey.new_unique(), Pubkey.new_unique()
    header = struct.pack("<IQQBB32sH", 1, 2**64 - 1, 0, 0, 0, bytes(32), 0)
    content = header + bytes(other) + bytes(wallet.pubkey())
    chain.put_account(table, Account(SOL, content, LOOKUP_TABLES, False, 0))
    blockhash, _ = chain.latest_blockhash()
    message = MessageV0.try_compile(
        rich.pubkey(),
        [pay(rich, wallet.pubkey(), SOL)],
        [AddressLookupTableAccount(table, [other, wallet.pubkey()])],
        blockhash,
    )
    assert message.address_table_lookups
    record = chain.submit(bytes(VersionedTransaction(message, [rich])))
    chain.advance(32)
    assert rpc.value("getBalance", str(wallet.pubkey())) == SOL
    shown = rpc.result("getTransaction", record.signature, {"maxSupportedTransactionVersion": 0})
    assert shown["meta"]["loadedAddresses"] == {"writable": [str(wallet.pubkey())], "readonly": []}
    assert str(wallet.pubkey()) not in shown["transaction"]["message"]["accountKeys"]
    assert shown["meta"]["postBalances"][-1] == SOL
    found = rpc.result("getSignaturesForAddress", str(wallet.pubkey()))
    assert [each["signature"] for each in found] == [record.signature]


def test_a_transaction_shows_its_configuration(
    rpc: Caller, chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    config = TransactionConfig(compute_unit_limit=1_000, loaded_accounts_data_size_limit=BYTES)
    record = submit_v1(chain, rich, [pay(rich, wallet.pubkey(), SOL)], config)
    chain.advance(32)
    shown = rpc.result("getTransaction", record.signature, {"maxSupportedTransactionVersion": 1})
    assert shown["transaction"]["message"]["transactionConfig"] == {
        "priorityFee": None,
        "computeUnitLimit": 1_000,
        "loadedAccountsDataSizeLimit": BYTES,
        "heapSize": None,
    }
