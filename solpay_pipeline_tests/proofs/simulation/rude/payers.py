"""Customers who pay in their own way: short and then late, once more, and in wrapped SOL."""

from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline_tests.proofs.simulation.rude.scene import LEAST_LAMPORTS, Scene

_LONGEST_WAIT = 10_000


def short_then_late(scene: Scene) -> str:
    """A half in time and a half afterwards, where the end is not too far away."""
    till, world = scene.till, scene.world
    mint = scene.mint if scene.mint in till.prices else next(iter(till.prices))
    price = till.prices[mint]
    pay(scene, mint, price // 2)
    left = till.expires + 1 - world.unix_time()
    if left > _LONGEST_WAIT:
        return f"Customer {till.number} pays half of {price} in {world.symbol(mint)}."
    if left > 0:
        world.loop.pass_time(left + scene.percent)
        world.chain.tick()
    pay(scene, mint, price - price // 2)
    return f"Customer {till.number} pays {price} in {world.symbol(mint)}, half of it when its time is over."


def paid_again(scene: Scene) -> str:
    """The price once more, mostly to a wallet that was swept or closed."""
    world = scene.world
    over = [
        each
        for each in world.tills
        if world.state(each) in ("sent_funds", "payment_expired_and_wallet_closed")
    ]
    till = over[scene.percent % len(over)] if over else scene.till
    mint = next(iter(till.prices))
    pay(Scene(world, scene.web, till, mint, scene.percent), mint, till.prices[mint])
    return f"Customer {till.number} pays {till.prices[mint]} in {world.symbol(mint)} once more."


def wrapped_sol(scene: Scene) -> str:
    """Wrapped SOL, where SOL or something else is wanted."""
    amount = LEAST_LAMPORTS * scene.percent
    scene.house.pay_token(scene.till.address, NATIVE_MINT, amount)
    return f"Customer {scene.till.number} pays {amount} in wrapped SOL."


def sol_to_the_wrapped_account(scene: Scene) -> str:
    """Lamports to the account of wrapped SOL, which no SyncNative has counted; open where wrapped SOL is asked for."""
    account = scene.house.ata(scene.till.address, NATIVE_MINT)
    if scene.house.lamports(account) == 0:
        return f"Wallet {scene.till.number} has no account of wrapped SOL."
    amount = scene.till.prices.get(NATIVE_MINT, LEAST_LAMPORTS * scene.percent)
    scene.house.pay_sol(account, amount)
    return f"Customer {scene.till.number} sends {amount} lamports to the wallet's account of wrapped SOL."


def pay(scene: Scene, mint: object, amount: int) -> None:
    """An ordinary transfer, with what a transfer fee takes added; at least as many lamports as can be sent at all."""
    till, house = scene.till, scene.house
    if mint is None:
        house.pay_sol(till.address, max(amount, LEAST_LAMPORTS))
        return
    coin = next(one for one in till.asked if one == mint)
    if coin is not None and scene.world.has_mint(coin):
        house.pay_token(till.address, coin, amount + amount * scene.world.taxes.get(coin, 0) // 5_000)
