"""One history from its seed: every step, every check after it, and the rest at the end."""

import gc
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from unittest.mock import patch

import aiohttp

from solpay_pipeline_tests.proofs.simulation.checks import Broken, Checks
from solpay_pipeline_tests.proofs.simulation.database import Database
from solpay_pipeline_tests.proofs.simulation.doing import Doing
from solpay_pipeline_tests.proofs.simulation.drawing import steps_of
from solpay_pipeline_tests.proofs.simulation.rest import Rest
from solpay_pipeline_tests.proofs.simulation.rude.kinds import ALL_ON, NONE_ON, Kind
from solpay_pipeline_tests.proofs.simulation.runs import Runs
from solpay_pipeline_tests.proofs.simulation.sky import struck
from solpay_pipeline_tests.proofs.simulation.steps import Step
from solpay_pipeline_tests.proofs.simulation.web import WebApplication
from solpay_pipeline_tests.proofs.simulation.world import World


@dataclass(slots=True)
class Told:
    """How a history went: `sentences` tell it, `failed_at` is the place of the step that broke a promise."""

    seed: int
    sentences: list[str] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    broken: Broken | None = None
    failed_at: int | None = None


def tell(
    seed: int,
    count: int,
    database: Database,
    keep: Sequence[int] | None = None,
    kinds: Set[Kind] = ALL_ON,
) -> Told:
    """Live through the history of a seed, or through those of its steps whose places are in `keep`."""
    steps = steps_of(seed, count, kinds)
    kept = [(place, steps[place]) for place in (range(count) if keep is None else keep)]
    return live_through(kept, seed, database, kinds)


def live_through(
    steps: Sequence[tuple[int, Step]], seed: int, database: Database, kinds: Set[Kind] = NONE_ON
) -> Told:
    """Live through these steps, each with the place that its dice fall by, in the world of a seed."""
    checks = Checks()
    world = World(seed, database, checks.nothing_leaves_unrecorded, kinds)
    checks.watch(world)
    web = WebApplication(world)
    runs = Runs(world, checks)
    doing = Doing(world, web, runs)
    rest = Rest(world, checks, runs, web)
    told = Told(seed)
    place: int | None = None
    with patch.object(aiohttp, "ClientSession", world.network.client):
        try:
            for place, step in steps:
                told.sentences.append(f"{place:>3}. {doing.do(step, place)}")
                checks.after_step()
            place = None
            rest.come_to_rest()
        except Broken as broken:
            told.broken, told.failed_at = broken, place
        except Exception as error:  # noqa: BLE001  (whatever it is: the history is told and made shorter, others go on)
            told.broken = Broken("nothing ends by surprise", f"{type(error).__name__}: {error}")
            told.failed_at = place
    told.sentences += [f"end. {sentence}" for sentence in rest.log]
    told.tally = world.tally
    told.tally.update({f"fault {kind}": count for kind, count in struck(world).items()})
    _count(world, told.tally)
    world.loop.close()
    return told


def _count(world: World, tally: Counter[str]) -> None:
    tally["requests"] += world.network.requests
    for row in world.database.rows("SELECT state, count(*) AS number FROM solpay_transaction GROUP BY state"):
        tally[f"transactions {row['state']}"] += row["number"]
    for row in world.database.rows("SELECT kind, count(*) AS number FROM solpay_event GROUP BY kind"):
        tally[f"events {row['kind']}"] += row["number"]
    ours = world.fee_payer.pubkey()
    for change in world.account.changes():
        if change.fee_payer == ours:
            tally["base units moved"] += sum(
                units for mint in change.tokens.values() for units in mint.values() if units > 0
            )
            tally["lamports moved"] += max(change.lamports.get(world.receiver, 0), 0)


def tidy() -> None:
    """Lets go of the chains of earlier histories; they are in cycles and hold threads."""
    gc.collect()
