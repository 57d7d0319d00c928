"""Transactions that the peer's commands send from a wallet: plain transfers to the receiver, and closing."""

import struct

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from solpay_pipeline.localnet.tools.seed import TOKEN
from solpay_pipeline_tests.shop import Customer, Shop


def sends_sol(shop: Shop, customer: Customer, lamports: int, to: Pubkey | None = None) -> str:
    """Lamports from a wallet to the receiver."""
    moved = TransferParams(
        from_pubkey=customer.address, to_pubkey=to or shop.deployment.receiver, lamports=lamports
    )
    return shop.seed.send([transfer(moved)], [customer.keypair])


def sends_tokens(shop: Shop, customer: Customer, mint: Pubkey, amount: int) -> str:
    """Base units of a classic mint to the receiver's account, which the peer opens where it is missing."""
    destination = shop.seed.create_ata(shop.deployment.receiver, mint)
    keys = [
        AccountMeta(shop.ata(customer.address, mint), False, True),
        AccountMeta(destination, False, True),
        AccountMeta(customer.address, True, False),
    ]
    plain = Instruction(TOKEN, b"\x03" + struct.pack("<Q", amount), keys)
    return shop.seed.send([plain], [customer.keypair])


def sends_all_sol(shop: Shop, customer: Customer) -> str:
    return sends_sol(shop, customer, shop.seed.lamports(customer.address))


def closes(shop: Shop, customer: Customer, mint: Pubkey) -> str:
    """The wallet's account of a mint, rent to the fee payer."""
    return shop.seed.close_ata(customer.keypair, mint, rent_to=shop.deployment.fee_payer.pubkey)
