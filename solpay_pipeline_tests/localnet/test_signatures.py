"""Signatures are judged by libsodium as solders judges them, whatever is wrong with them."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message, MessageV0, MessageV1, TransactionConfig
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from solpay_pipeline.localnet.signatures import all_right

SIGNERS = [Keypair.from_seed(bytes([number + 1]) * 32) for number in range(7)]


def paid_by(
    count: int, compile_message: Callable[..., Message | MessageV0 | MessageV1]
) -> VersionedTransaction:
    signers = SIGNERS[:count]
    to = signers[0].pubkey()
    moves = [
        transfer(TransferParams(from_pubkey=signer.pubkey(), to_pubkey=to, lamports=1)) for signer in signers
    ]
    return VersionedTransaction(compile_message(to, moves), signers)


def legacy(payer: object, moves: list[object]) -> Message:
    return Message.new_with_blockhash(moves, payer, Hash.default())  # type: ignore[arg-type]


def version_0(payer: object, moves: list[object]) -> MessageV0:
    return MessageV0.try_compile(payer, moves, [], Hash.default())  # type: ignore[arg-type]


def version_1(payer: object, moves: list[object]) -> MessageV1:
    limits = TransactionConfig(compute_unit_limit=10_000, loaded_accounts_data_size_limit=65_536)
    return MessageV1.try_compile(payer, moves, Hash.default(), limits)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("compile_message", [legacy, version_0, version_1])
def test_a_transaction_that_all_have_signed_is_right(
    count: int, compile_message: Callable[..., Message | MessageV0 | MessageV1]
) -> None:
    assert all_right(paid_by(count, compile_message))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(0, 6), st.binary(min_size=64, max_size=64) | st.integers(0, 511))
def test_one_spoilt_signature_is_found_wherever_it_stands(
    count: int, place: int, spoilt: bytes | int
) -> None:
    transaction = paid_by(count, version_0)
    signed = list(transaction.signatures)
    place %= count
    raw = bytearray(bytes(signed[place]))
    if isinstance(spoilt, int):
        raw[spoilt // 8] ^= 1 << spoilt % 8
    else:
        raw[:] = spoilt
    signed[place] = Signature.from_bytes(bytes(raw))
    changed = VersionedTransaction.populate(transaction.message, signed)

    assert all_right(changed) == all(changed.verify_with_results()) == (signed == transaction.signatures)


@pytest.mark.parametrize("point", [bytes(32), bytes([1, *bytes(31)])], ids=["order four", "neutral element"])
def test_a_signature_by_a_point_of_small_order_is_wrong(point: bytes) -> None:
    transaction = paid_by(1, version_0)
    forged = VersionedTransaction.populate(transaction.message, [Signature.from_bytes(point + bytes(32))])
    assert not all_right(forged)
