"""The demo goes on: customers keep coming, a new one every few seconds, until it is over.

Who comes, at what price and with which habit, follows from the demo's seed and how many came before. All is done in the
calling thread; a deed that fails ends the demo with its error.
"""

import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime

from solpay_pipeline.demo.habits import HABITS, LASTS, Habit
from solpay_pipeline.demo.shop import Case, Shop

# Seconds between two customers.
_SHORTEST, _LONGEST = 3.0, 7.0

# Ctrl-C waits no longer than this and a deed.
_NAP_SECONDS = 0.1


def keep_paying(shop: Shop, is_over: Callable[[], bool], tell: Callable[[str], None]) -> None:
    """Let customers come and pay until `is_over`; `tell` hears a line of each payment, as it is made and as it ends."""
    due: list[tuple[float, int, int, Habit, Case]] = []
    count, next_at = 0, time.monotonic()
    while not is_over():
        now = time.monotonic()
        if now >= next_at:
            count += 1
            next_at = now + shop.dice.uniform(_SHORTEST, _LONGEST)
            (habit,) = shop.dice.choices(HABITS, [one.weight for one in HABITS])
            case = shop.add_case(habit.sentence, habit.symbols, with_accounts=True, lasts=LASTS)
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


def _line(case: Case, words: str) -> str:
    return f"{datetime.now(UTC).isoformat(timespec='milliseconds')} payment {case.payment_id}: {words}"
