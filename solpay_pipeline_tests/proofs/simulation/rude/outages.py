"""Nobody looks for longer than wallets are watched; money comes meanwhile, and nodes forget what they knew."""

from solpay_pipeline_tests.proofs.simulation.rude.payers import pay
from solpay_pipeline_tests.proofs.simulation.rude.scene import Scene
from solpay_pipeline_tests.proofs.simulation.sky import set_sky

_DAY = 86_400
_WATCHED_DAYS = 7


def an_outage(scene: Scene) -> str:
    """More days than anybody watches."""
    days = _WATCHED_DAYS + 1 + scene.percent // 3
    _pass(scene, days)
    return f"Nobody looks for {days} days."


def an_outage_with_money(scene: Scene) -> str:
    """The customer pays on its second day."""
    days = _WATCHED_DAYS + 1 + scene.percent // 3
    _pass(scene, 2)
    mint = next(iter(scene.till.prices))
    pay(scene, mint, scene.till.prices[mint])
    _pass(scene, days)
    return f"Nobody looks for {days + 2} days; on the second customer {scene.till.number} pays."


def an_outage_beyond_history(scene: Scene) -> str:
    """The customer pays at once; after it no node remembers that."""
    days = _WATCHED_DAYS + 1 + scene.percent // 3
    mint = next(iter(scene.till.prices))
    pay(scene, mint, scene.till.prices[mint])
    _pass(scene, days)
    set_sky(scene.world, "short history")
    return f"Customer {scene.till.number} pays, and nobody looks for {days} days, nor remembers more than minutes."


def _pass(scene: Scene, days: int) -> None:
    scene.world.loop.pass_time(days * _DAY)
    scene.world.chain.tick()
