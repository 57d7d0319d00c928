"""Fills the shop: payments of all situations in a mixed order, with the chain's clock moved on between the ages.

In the end the chain's time is about the wall clock's, and all that happened is finalized.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from solpay_pipeline.demo.shop import Shop
from solpay_pipeline.demo.situations import Age, Situation
from solpay_pipeline.testing.shop import Customer

# Long before the watched week of seven days; the chain begins a little earlier.
ANCIENT_AGO = timedelta(days=10)
OVER_AGO = timedelta(hours=2)
GENESIS_AGO = ANCIENT_AGO + timedelta(hours=1)

# Twice as long as a payment's time runs.
_UNTIL_LATE = timedelta(hours=1)


def populate(shop: Shop, situations: Sequence[Situation], tell: Callable[[int], None]) -> None:
    """Make every payment of these situations; `tell` hears of each one that is done."""
    _wait(shop, GENESIS_AGO - ANCIENT_AGO)
    with _an_hour_each(shop, situations, Age.ANCIENT, tell):
        _wait(shop, _UNTIL_LATE)
    _wait(shop, ANCIENT_AGO - _UNTIL_LATE - OVER_AGO)
    with _an_hour_each(shop, situations, Age.OVER, tell):
        _wait(shop, _UNTIL_LATE)
    _wait(shop, OVER_AGO - _UNTIL_LATE)
    with _an_hour_each(shop, situations, Age.LIVE, tell):
        pass
    shop.seed.pause(shop.mint("HALT"))
    shop.finalize_chain()


@contextmanager
def _an_hour_each(
    shop: Shop, situations: Sequence[Situation], age: Age, tell: Callable[[int], None]
) -> Iterator[None]:
    """Make the payments of one age; what comes later is done after the block, when their time may be over."""
    made: list[tuple[Situation, Customer]] = []
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


def _wait(shop: Shop, span: timedelta) -> None:
    shop.chain.warp(span.total_seconds())
