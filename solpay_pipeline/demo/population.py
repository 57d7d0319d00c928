"""Fills the shop: payments of all situations in a mixed order, with the chain's clock moved on between the ages.

In the end the chain's time is about the wall clock's, and all that happened is finalized.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from solpay_pipeline.demo.shop import Case, Shop
from solpay_pipeline.demo.situation import Age, Situation
from solpay_pipeline.localnet.chain.engine import Chain

# Long before the watched week of seven days; the chain begins a little earlier.
ANCIENT_AGO = timedelta(days=10)
OVER_AGO = timedelta(hours=2)
GENESIS_AGO = ANCIENT_AGO + timedelta(hours=1)

# Twice as long as a payment's time runs.
_UNTIL_LATE = timedelta(hours=1)


def populate(shop: Shop, situations: Sequence[Situation], tell: Callable[[int], None]) -> None:
    """Make every payment of these situations; `tell` hears of each one that is done."""
    _wait(shop.chain, GENESIS_AGO - ANCIENT_AGO)
    with _an_hour_each(shop, situations, Age.ANCIENT, tell):
        _wait(shop.chain, _UNTIL_LATE)
    _wait(shop.chain, ANCIENT_AGO - _UNTIL_LATE - OVER_AGO)
    with _an_hour_each(shop, situations, Age.OVER, tell):
        _wait(shop.chain, _UNTIL_LATE)
    _wait(shop.chain, OVER_AGO - _UNTIL_LATE)
    with _an_hour_each(shop, situations, Age.LIVE, tell):
        pass
    halted = shop.tokens["HALT"].mint
    if halted is not None:
        shop.seed.pause(halted)
    shop.chain.advance(shop.chain.config.finalized_lag + 1)


@contextmanager
def _an_hour_each(
    shop: Shop, situations: Sequence[Situation], age: Age, tell: Callable[[int], None]
) -> Iterator[None]:
    """Make the payments of one age; what comes later is done after the block, when their time may be over."""
    made: list[tuple[Situation, Case]] = []
    for situation in _mixed(shop, [one for one in situations if one.age is age]):
        case = shop.add_case(situation.name, situation.symbols, with_accounts=situation.with_accounts)
        for deed in situation.deeds:
            deed(shop, case)
        made.append((situation, case))
        tell(1)
    yield
    for situation, case in made:
        for deed in situation.later:
            deed(shop, case)


def _mixed(shop: Shop, situations: Sequence[Situation]) -> list[Situation]:
    each = [situation for situation in situations for _ in range(situation.count)]
    shop.dice.shuffle(each)
    return each


def _wait(chain: Chain, span: timedelta) -> None:
    chain.warp(span.total_seconds())
