"""How a seed draws a history of forty steps or more: much of what is usual, and accidents just before our own runs."""

import random
from collections.abc import Callable, Mapping, Set
from dataclasses import replace

from solpay_pipeline_tests.proofs.simulation.process import PointKind
from solpay_pipeline_tests.proofs.simulation.rude.deeds import DEEDS
from solpay_pipeline_tests.proofs.simulation.rude.kinds import ALL_ON, NOT_WHILE_WE_WORK, Kind
from solpay_pipeline_tests.proofs.simulation.steps import (
    OPTIONS,
    Both,
    Deliver,
    Die,
    Ending,
    Fork,
    Freeze,
    Meanwhile,
    Mood,
    Open,
    Operation,
    Pay,
    Purse,
    Rent,
    Rotate,
    Rude,
    Run,
    Share,
    ShopExpires,
    Skew,
    Sky,
    Spam,
    Step,
    Tax,
    Verify,
    Wait,
    Way,
    Weather,
)

_OPERATIONS: tuple[Operation, ...] = ("expire", "sweep", "reclaim", "recheck")
_SKIES: tuple[Sky, ...] = (
    "clear",
    "clear",
    "clear",
    "lossy",
    "rate limited",
    "broken",
    "behind",
    "swallowing",
    "swallowing",
    "late",
    "late",
    "failing",
    "failing",
    "slow",
    "forgetful",
    "forgetful",
    "storm",
    "storm",
    "storm",
    "first node down",
    "first node lags",
    "second node lags",
    "short history",
    "lagging fallback",
    "lagging fallback",
    "forgetful fallback",
    "forgetful fallback",
)
_DEEDS_MEANWHILE = (
    "pay",
    "pay",
    "verify",
    "verify",
    "shop expires",
    "fork",
    "freeze",
    "wait",
    "spam",
    "open",
)


_RUDE_STEPS = 0.22
_RUDE_MEANWHILE = 0.4


def steps_of(seed: int, count: int, kinds: Set[Kind] = ALL_ON) -> list[Step]:
    """The history of this seed: the same for ever, and a longer one begins with the shorter one.

    Which `kinds` of rudeness are on says which rude steps are among the others, and changes none of those.
    """
    dice, rude_dice = random.Random(f"history {seed}"), random.Random(f"rudeness {seed}")
    made: list[Step] = [_open(dice) for _ in range(4)]
    calm = dice.random() < 0.25
    while len(made) < count:
        for step in _steps(dice, calm):
            made += _rudely(step, rude_dice, kinds) if kinds else [step]
    return made[:count]


def _rudely(step: Step, dice: random.Random, kinds: Set[Kind]) -> list[Step]:
    """A step with a rude one before it, or in the place of what happens meanwhile."""
    if isinstance(step, Meanwhile):
        while_we_work = kinds - NOT_WHILE_WE_WORK
        is_rude = bool(while_we_work) and dice.random() < _RUDE_MEANWHILE
        return [replace(step, what=_rude(dice, while_we_work)) if is_rude else step]
    return [_rude(dice, kinds), step] if dice.random() < _RUDE_STEPS else [step]


def _rude(dice: random.Random, kinds: Set[Kind]) -> Rude:
    kind = dice.choice(sorted(kinds))
    return Rude(dice.choice(DEEDS[kind]).__name__, _whose(dice), _coin(dice), dice.randrange(1, 100))


_KINDS = {
    "open": 9,
    "pay": 30,
    "spam": 1,
    "wait": 10,
    "verify": 6,
    "shop expires": 1,
    "fork": 2,
    "freeze": 2,
    "tax": 1,
    "rent": 1,
    "purse": 1,
    "weather": 2,
    "skew": 1,
    "run": 26,
    "both": 6,
    "rotate": 1,
    "deliver": 4,
}


def _steps(dice: random.Random, calm: bool) -> list[Step]:
    kind = dice.choices(list(_KINDS), list(_KINDS.values()))[0]
    if calm and kind in ("fork", "weather"):
        kind = "run"
    made: list[Step] = []
    if kind in ("run", "both", "rotate", "deliver"):
        if not calm and dice.random() < 0.25:
            made.append(_of_kind("weather", dice))
        if dice.random() < 0.3:
            made.append(_of_kind("die", dice))
        while dice.random() < 0.3:
            made.append(_of_kind("meanwhile", dice))
    made.append(_of_kind(kind, dice))
    return made


def _of_kind(kind: str, dice: random.Random) -> Step:
    return _DRAWN[kind](dice)


def _open(dice: random.Random) -> Open:
    return Open(dice.randrange(1, 32), dice.choice([60, 300, 600, 600, 1_800, 7_200, 100_000]))


def _whose(dice: random.Random) -> int:
    """Most of what happens, happens to the newest."""
    return -1 - dice.randrange(4) if dice.random() < 0.6 else dice.randrange(1_000)


def _coin(dice: random.Random) -> int:
    return dice.randrange(1_000)


def _pay(dice: random.Random) -> Pay:
    share: Share = dice.choice(["all", "all", "all", "all", "half", "rest", "dust", "double"])
    way: Way = dice.choice(["plain", "plain", "plain", "version 1", "two transfers", "program"])
    return Pay(_whose(dice), _coin(dice), share, way)


def _verify(dice: random.Random) -> Verify:
    endings: tuple[Ending, ...] = ("row", "row", "sent", "failed", "rolled back", "rolled back")
    return Verify(_whose(dice), _coin(dice), dice.choice(endings))


def _run(dice: random.Random) -> Run:
    return Run(dice.choice(_OPERATIONS), dice.choice(OPTIONS) if dice.random() < 0.4 else None)


def _both(dice: random.Random) -> Both:
    first, second = dice.choice(_OPERATIONS), dice.choice(_OPERATIONS)
    return Both(first, second, dice.choice([0.0, 0.0, 0.3, 1.0, 3.0]))


def _die(dice: random.Random) -> Die:
    at = int(2 ** dice.uniform(0, 7.5))
    kind: PointKind | None = dice.choice([None, "answered", "commit", "committed"])
    return Die(at if kind is None else 1 + at // 8, kind)


def _meanwhile(dice: random.Random) -> Meanwhile:
    return Meanwhile(int(2 ** dice.uniform(2, 7)), _of_kind(dice.choice(_DEEDS_MEANWHILE), dice))


_WAITS = (1, 5, 15, 30, 70, 70, 300, 700, 700, 2_000, 7_500, 90_000, 400_000)
_MOODS: tuple[Mood, ...] = ("good", "good", "down", "flaky", "dies")

_DRAWN: Mapping[str, Callable[[random.Random], Step]] = {
    "open": _open,
    "pay": _pay,
    "spam": lambda dice: Spam(_whose(dice)),
    "wait": lambda dice: Wait(dice.choice(_WAITS)),
    "verify": _verify,
    "shop expires": lambda dice: ShopExpires(),
    "fork": lambda dice: Fork(dice.random() < 0.3, dice.random() < 0.5, dice.random() < 0.6),
    "freeze": lambda dice: Freeze(_whose(dice), _coin(dice), dice.random() < 0.5),
    "tax": lambda dice: Tax(_coin(dice), dice.choice([0, 50, 100, 900])),
    "rent": lambda dice: Rent(dice.choice([6_960, 5_080, 5_080, 2_575, 696, 10])),
    "purse": lambda dice: Purse(dice.random() < 0.6),
    "weather": lambda dice: Weather(dice.choice(_SKIES)),
    "skew": lambda dice: Skew(dice.choice([0, 0, 60, 600, -60, -600])),
    "run": _run,
    "both": _both,
    "rotate": lambda dice: Rotate(),
    "deliver": lambda dice: Deliver(dice.choice(_MOODS)),
    "die": _die,
    "meanwhile": _meanwhile,
}
