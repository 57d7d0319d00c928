"""What signed transactions do, read from their bytes by nobody's rules but the programs' own.

It shares no code with the product: it knows where money may go, and calls everything else wrong.
"""

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from solpay_pipeline.localnet.chain.token_layout import ATA_PROGRAM, ata_address
from solpay_pipeline.localnet.tools.seed import TOKEN, TOKEN_2022
from solpay_pipeline_tests.shop import Shop

_SYSTEM = Pubkey.default()
_BUDGET = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
_MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")

_TRANSFER = (2).to_bytes(4, "little")


def signed_by_us(shop: Shop, asked: Iterable[dict[str, Any]] = ()) -> set[bytes]:
    """Every transaction in the ledger, and every one that an endpoint was given."""
    wires = {bytes(row.wire) for row in shop.transactions()}
    return wires | {
        base64.b64decode(request["params"][0]) for request in asked if request["method"] == "sendTransaction"
    }


def assert_money_goes_home_only(shop: Shop, wires: Iterable[bytes], receiver: Pubkey | None = None) -> None:
    """No transaction moves anything but to the receiver, or rent to the fee payer."""
    for wire in wires:
        wrong = list(
            _astray(VersionedTransaction.from_bytes(wire), shop, receiver or shop.deployment.receiver)
        )
        assert wrong == [], wrong


def _astray(signed: VersionedTransaction, shop: Shop, receiver: Pubkey) -> Iterator[str]:
    message = signed.message
    keys, payer = message.account_keys, shop.deployment.fee_payer.pubkey
    if keys[0] != payer:
        yield f"{keys[0]} pays the fee"
    for each in message.instructions:
        program, content = keys[each.program_id_index], bytes(each.data)
        accounts = [keys[index] for index in each.accounts]
        if program == _SYSTEM:
            fits = content[:4] == _TRANSFER and accounts[1] == receiver and accounts[0] != payer
        elif program in (TOKEN, TOKEN_2022):
            fits = _token_fits(program, accounts, content, receiver, payer)
        elif program == ATA_PROGRAM:
            fits = content == b"\x01" and accounts[0] == payer and accounts[2] == receiver
        else:
            fits = program in (_BUDGET, _MEMO)
        if not fits:
            yield f"{program} is asked for {content.hex()} with {accounts}"


def _token_fits(
    program: Pubkey, accounts: list[Pubkey], content: bytes, receiver: Pubkey, payer: Pubkey
) -> bool:
    match content[0]:
        case 12:
            return accounts[2] == ata_address(receiver, accounts[1], program)
        case 9:
            return accounts[1] == payer
        case 17 | 26:
            # To count what lamports a wrapped account has, and to give withheld fees to the mint.
            return content in (b"\x11", b"\x1a\x04")
        case _:
            return False
