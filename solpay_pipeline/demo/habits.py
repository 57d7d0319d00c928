"""What customers of the live demo do with a payment: when they pay, how much, in what, and whether the shop notices."""

from dataclasses import dataclass
from datetime import timedelta

from solpay_pipeline.demo.deeds import Deed, pays, pays_net
from solpay_pipeline.demo.shop import Case, Shop
from solpay_pipeline.demo.situation import USUAL

LASTS = timedelta(seconds=90)
"""How long a live payment may be paid: short, so that late and unpaid ones come to their end while somebody watches."""

# Seconds after the payment was made: in time, after its time is over, and so long after paying that it is confirmed.
_SOON, _LATE, _CONFIRMED = 4.0, LASTS.total_seconds() + 10.0, 2.0


@dataclass(frozen=True, slots=True)
class Habit:
    """`steps` are deeds with the seconds after the payment was made; `weight` how often it is met beside the others."""

    sentence: str
    weight: int
    steps: tuple[tuple[float, Deed], ...]
    symbols: tuple[str, ...] = USUAL


UNNOTICED = "and the shop does not notice"
"""In the sentence of what only a look at the chain finds while the payment's time runs."""


def _noticed(symbol: str) -> tuple[tuple[float, Deed], ...]:
    def deed(shop: Shop, case: Case) -> None:
        shop.notice(case, symbol)

    return (_SOON, pays(symbol)), (_SOON + _CONFIRMED, deed)


HABITS = (
    Habit(f"pays in SOL, {UNNOTICED}", 3, ((_SOON, pays("SOL")),)),
    Habit(f"pays in USDC, {UNNOTICED}", 3, ((_SOON, pays("USDC")),)),
    Habit(f"pays in EURC by a version-1 transaction, {UNNOTICED}", 2, ((_SOON, pays("EURC", version=1)),)),
    Habit(f"pays in wrapped SOL, {UNNOTICED}", 1, ((_SOON, pays("wSOL")),), ("SOL", "wSOL")),
    Habit(f"pays TAX and its fee, {UNNOTICED}", 1, ((_SOON, pays_net("TAX")),), ("SOL", "USDC", "TAX")),
    Habit("pays in SOL, and the shop accepts it", 3, _noticed("SOL")),
    Habit("pays in USDC, and the shop accepts it", 3, _noticed("USDC")),
    Habit("pays in EURC, and the shop accepts it", 2, _noticed("EURC")),
    Habit("pays 60% and then 40%", 1, ((_SOON, pays("SOL", 60)), (3 * _SOON, pays("SOL", 40)))),
    Habit("pays twice, in SOL and in USDC", 1, ((_SOON, pays("SOL")), (2 * _SOON, pays("USDC")))),
    Habit("pays twice the price", 1, ((_SOON, pays("USDC", 200)),)),
    Habit("pays half the price", 2, ((_SOON, pays("SOL", 50)),)),
    Habit("pays too late", 2, ((_LATE, pays("USDC")),)),
    Habit("does not pay", 2, ()),
)
