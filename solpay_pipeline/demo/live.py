"""The demo goes on: customers keep coming, a new one every few seconds, until it is over.

Who comes, at what price and with which habit, follows from the demo's seed and how many came before. All is done in the
calling thread; a deed that fails ends the demo with its error.
"""

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from solpay_pipeline.demo.deeds import Deed, is_accepted, pays, pays_net
from solpay_pipeline.demo.shop import Shop
from solpay_pipeline.demo.situations import USUAL
from solpay_pipeline.testing.shop import Customer

# How long a live payment may be paid: short, so that late and unpaid ones come to their end while somebody watches.
_LASTS = timedelta(seconds=90)

# Seconds after the payment was made: in time, when it is confirmed by, and after its time is over.
_SOON, _CONFIRMED, _LATE = 4.0, 6.0, _LASTS.total_seconds() + 10.0

# Seconds between two customers.
_SHORTEST, _LONGEST = 3.0, 7.0

# Ctrl-C waits no longer than this and a deed.
_NAP_SECONDS = 0.1

UNNOTICED = "and the shop does not notice"
"""In the sentence of what only a look at the chain finds while the payment's time runs."""


@dataclass(frozen=True, slots=True)
class Habit:
    """When customers pay, how much, in what, and whether the shop notices. `steps` are deeds with the seconds after the
    payment was made; `weight` how often it is met beside the others.
    """

    sentence: str
    weight: int
    steps: tuple[tuple[float, Deed], ...]
    symbols: tuple[str, ...] = USUAL


def _noticed(symbol: str) -> tuple[tuple[float, Deed], ...]:
    return (_SOON, pays(symbol)), (_CONFIRMED, is_accepted(symbol))


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


def keep_paying(shop: Shop, is_over: Callable[[], bool], tell: Callable[[str], None]) -> None:
    """Let customers come and pay until `is_over`; `tell` hears a line of each payment, as it is made and as it ends."""
    due: list[tuple[float, int, int, Habit, Customer]] = []
    count, next_at = 0, time.monotonic()
    while not is_over():
        now = time.monotonic()
        if now >= next_at:
            count += 1
            next_at = now + shop.dice.uniform(_SHORTEST, _LONGEST)
            (habit,) = shop.dice.choices(HABITS, [one.weight for one in HABITS])
            case = shop.add_case(habit.sentence, habit.symbols, lasts=_LASTS)
            for step, (seconds, _) in enumerate(habit.steps):
                heapq.heappush(due, (now + seconds, count, step, habit, case))
            tell(_line(case, f"made, for {' or '.join(habit.symbols)}"))
        elif due and now >= due[0][0]:
            _, _, step, habit, case = heapq.heappop(due)
            _, deed = habit.steps[step]
            deed(shop, case)
            if step + 1 == len(habit.steps):
                tell(_line(case, habit.sentence))
        else:
            time.sleep(_NAP_SECONDS)


def _line(case: Customer, words: str) -> str:
    return f"{datetime.now(UTC).isoformat(timespec='milliseconds')} payment {case.payment_id}: {words}"
