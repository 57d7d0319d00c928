"""Strangers who send next to nothing, or only name a wallet: they set the price of our work where we let them."""

from solders.instruction import AccountMeta, Instruction
from solders.system_program import TransferParams, transfer

from solpay_pipeline_tests.proofs.simulation.rude.scene import LEAST_LAMPORTS, Scene

_TIMES = 6


def specks_of_sol(scene: Scene) -> str:
    """As much as an account must have, then a lamport at a time."""
    scene.house.pay_sol(scene.till.address, LEAST_LAMPORTS)
    for _ in range(_TIMES):
        scene.house.pay_sol(scene.till.address, 1)
    return f"Strangers send {LEAST_LAMPORTS + _TIMES} lamports to wallet {scene.till.number}."


def specks_of_a_token(scene: Scene) -> str:
    """A base unit at a time."""
    mint = scene.token
    if mint is None:
        return "There is no token to send."
    for _ in range(_TIMES):
        scene.house.pay_token(scene.till.address, mint, 1)
    return f"Strangers send {_TIMES} base units of {scene.world.symbol(mint)} to wallet {scene.till.number}."


def only_named(scene: Scene) -> str:
    """Transactions that name the wallet and do nothing to it."""
    payer = scene.house.customer.pubkey()
    for _ in range(_TIMES):
        itself = transfer(TransferParams(from_pubkey=payer, to_pubkey=payer, lamports=1))
        keys = [*itself.accounts, AccountMeta(scene.till.address, False, False)]
        scene.house.send([Instruction(itself.program_id, bytes(itself.data), keys)])
    return f"Strangers name wallet {scene.till.number} in {_TIMES} transactions."


def frozen_spam(scene: Scene) -> str:
    """A token that nobody has heard of, in an account that its issuer freezes."""
    mint = scene.house.create_mint(decimals=0)
    scene.world.spam.append(mint)
    scene.house.pay_token(scene.till.address, mint, 1_000_000)
    scene.house.freeze(scene.house.ata(scene.till.address, mint), mint)
    return f"Somebody sends spam to wallet {scene.till.number} and freezes it."
