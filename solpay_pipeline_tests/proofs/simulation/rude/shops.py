"""The shop's own people change rows while customers pay and we work."""

from datetime import UTC, datetime

from solpay_pipeline_tests.proofs.simulation.rude.scene import Scene


def a_price_is_edited(scene: Scene) -> str:
    """One of a payment's prices, up or down."""
    till, world = scene.till, scene.world
    mint = scene.mint if scene.mint in till.prices else next(iter(till.prices))
    price = max(1, till.prices[mint] * 2 * scene.percent // 100)
    coin = world.coins[mint]
    _execute(
        scene,
        "UPDATE {price} SET amount_in_crypto = ? WHERE token_id = ? AND id IN"
        " (SELECT {link}.solanapaypaymentcryptoprice_id FROM {link} WHERE solanapayment_id = ?)",
        format(price / 10**coin.decimals, f".{coin.decimals}f"),
        coin.row_id,
        till.payment_id,
    )
    till.change(world.chain_time(), prices={**till.prices, mint: price})
    return f"The shop asks {price} {coin.symbol} for payment {till.number} from now on."


def a_mint_that_we_have_seen_is_edited(scene: Scene) -> str:
    """The same, where a run of ours has read all payments that ask for it."""
    asking = [till for till in scene.world.tills if scene.token in till.prices]
    if any(till.versions[-1].known_since is None for till in asking):
        return "The shop edits no mint."
    return a_mint_is_edited(scene)


def a_mint_is_edited(scene: Scene) -> str:
    """A token's row names another mint, in every payment that asked for it."""
    world, mint = scene.world, scene.token
    if mint is None or mint not in world.offered or world.symbol(mint) != "classic":
        return "The shop edits no mint."
    other = scene.house.create_mint()
    # A mint that a fork may take back is named by nobody.
    world.finalize()
    _execute(scene, "UPDATE {token} SET mint_address = ? WHERE mint_address = ?", str(other), str(mint))
    world.renames(mint, other)
    for till in world.tills:
        if mint in till.prices:
            prices = {other if each == mint else each: price for each, price in till.prices.items()}
            till.change(world.chain_time(), prices=prices)
    return f"The shop names another mint for {world.symbol(mint)}."


def an_open_address_is_edited(scene: Scene) -> str:
    """The same of a payment that waits for its customer."""
    if scene.web.status(scene.till) != "initiated":
        return f"Payment {scene.till.number} is over already."
    return an_address_is_edited(scene)


def an_address_is_edited(scene: Scene) -> str:
    """A payment's row names a stranger's address, or its own again."""
    till = scene.till
    till.is_elsewhere = not till.is_elsewhere
    address = scene.stranger() if till.is_elsewhere else till.address
    _execute(scene, "UPDATE {payment} SET payment_address = ? WHERE id = ?", str(address), till.payment_id)
    return (
        f"The shop writes {'another' if till.is_elsewhere else 'its own'} address into payment {till.number}."
    )


def a_time_is_extended(scene: Scene) -> str:
    """A payment may be paid for longer; rather one whose time is over and that a run of ours is about to expire."""
    world = scene.world
    due = [
        one
        for one in world.tills
        if one.expires < world.chain_time() and scene.web.status(one) == "initiated"
    ]
    till = due[scene.percent % len(due)] if due else scene.till
    expires = max(till.expires, world.chain_time()) + 60 * scene.percent
    if scene.web.status(till) != "initiated":
        return f"Payment {till.number} is over already."
    moment = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    _execute(scene, "UPDATE {payment} SET expiration_date = ? WHERE id = ?", moment, till.payment_id)
    till.change(world.chain_time(), expires=expires)
    return f"The shop gives payment {till.number} until {expires}."


def a_payment_is_deleted(scene: Scene) -> str:
    """With its prices; its wallet's row stays."""
    till = scene.till
    _execute(scene, "DELETE FROM {link} WHERE solanapayment_id = ?", till.payment_id)
    _execute(scene, "DELETE FROM {payment} WHERE id = ?", till.payment_id)
    till.is_deleted = True
    return f"The shop deletes payment {till.number}."


def an_address_is_given_twice(scene: Scene) -> str:
    """Another payment, with a wallet's row of its own, has the key of this one."""
    other = scene.world.second_payment(scene.till)
    return f"The shop gives the address of payment {scene.till.number} to payment {other.number} as well."


def _execute(scene: Scene, statement: str, *parameters: object) -> None:
    tables = scene.world.deployment.tables
    names = {
        "payment": tables.payment.name,
        "price": tables.price.name,
        "token": tables.token.name,
        "link": tables.payment_price.name,
    }
    scene.world.database.rows(statement.format(**names), *parameters)
