"""Issuers who use the powers that their mints give them."""

import struct

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline_tests.proofs.simulation.rude.scene import Scene, moved_tokens
from solpay_pipeline_tests.proofs.simulation.till import token_accounts


def taken_back(scene: Scene) -> str:
    """The permanent delegate takes what a wallet has."""
    return _by_delegate(scene, is_burnt=False)


def burnt(scene: Scene) -> str:
    """The permanent delegate destroys what a wallet has."""
    return _by_delegate(scene, is_burnt=True)


def paused(scene: Scene) -> str:
    """Nobody can move the token."""
    mint = _named(scene, "revocable")
    if mint is None:
        return "There is no mint to pause."
    scene.house.pause(mint)
    return f"The issuer pauses {scene.world.symbol(mint)}."


def resumed(scene: Scene) -> str:
    """Everybody can again."""
    mint = _named(scene, "revocable")
    if mint is None:
        return "There is no mint to resume."
    scene.house.resume(mint)
    return f"The issuer resumes {scene.world.symbol(mint)}."


def frozen(scene: Scene) -> str:
    """An account with money in it, of any token."""
    held = scene.tokens()
    if held is None or held[1].mint == NATIVE_MINT:
        return f"Wallet {scene.till.number} has nothing to freeze."
    account, state = held
    scene.house.freeze(account, state.mint)
    return (
        f"The issuer freezes {state.amount} {scene.world.symbol(state.mint)} of wallet {scene.till.number}."
    )


def a_mint_is_closed(scene: Scene) -> str:
    """A mint of which nobody has anything, for good."""
    mint = _named(scene, "closable")
    if mint is None:
        return "There is no mint to close."
    keys = [
        AccountMeta(mint, False, True),
        AccountMeta(scene.house.customer.pubkey(), False, True),
        AccountMeta(scene.house.customer.pubkey(), True, False),
    ]
    scene.house.send([Instruction(TOKEN_2022, b"\x09", keys)])
    return f"The issuer closes the mint of {scene.world.symbol(mint)}."


def _by_delegate(scene: Scene, *, is_burnt: bool) -> str:
    """From the payment that is meant, or from whoever has some."""
    mint, house = _named(scene, "revocable"), scene.house
    if mint is None:
        return "No issuer can take anything back."
    for till in (scene.till, *scene.world.tills):
        source = house.ata(till.address, mint)
        amount = house.token_balance(source)
        if not amount:
            continue
        if is_burnt:
            house.send([_burning(house.customer.pubkey(), source, mint, amount, house._decimals(mint))])
            return f"The issuer burns {amount} {scene.world.symbol(mint)} of wallet {till.number}."
        state = next(one for at, one, _ in token_accounts(scene.world.chain, till.address) if at == source)
        own = house.create_ata(house.customer.pubkey(), mint)
        house.send([moved_tokens(house, source, state, own, amount, house.customer.pubkey())])
        return f"The issuer takes {amount} {scene.world.symbol(mint)} back from wallet {till.number}."
    return f"No wallet has any {scene.world.symbol(mint)}."


def _burning(delegate: Pubkey, source: Pubkey, mint: Pubkey, amount: int, decimals: int) -> Instruction:
    keys = [
        AccountMeta(source, False, True),
        AccountMeta(mint, False, True),
        AccountMeta(delegate, True, False),
    ]
    return Instruction(TOKEN_2022, b"\x0f" + struct.pack("<QB", amount, decimals), keys)


def _named(scene: Scene, name: str) -> Pubkey | None:
    found = (mint for mint in scene.world.coins if scene.world.symbol(mint) == name)
    return next((mint for mint in found if mint is not None and scene.world.has_mint(mint)), None)
