"""What a worker process does: lives through histories, and makes one that fails shorter."""

from solpay_pipeline_tests.proofs.simulation.database import Database
from solpay_pipeline_tests.proofs.simulation.history import Told, tell, tidy
from solpay_pipeline_tests.proofs.simulation.rude.kinds import Kind
from solpay_pipeline_tests.proofs.simulation.shrink import shortest

_MOST_TRIES = 150
"""Histories lived through to make one shorter: a minute or three."""

_database: Database | None = None


def live(job: tuple[int, int, frozenset[Kind]]) -> Told:
    """One history, in a worker; of one that goes well only the numbers come back."""
    global _database
    seed, steps, kinds = job
    _database = _database or Database()
    told = tell(seed, steps, _database, kinds=kinds)
    if told.broken is None:
        told.sentences = []
    tidy()
    return told


def shorten(told: Told, steps: int, database: Database, kinds: frozenset[Kind]) -> tuple[Told, list[int]]:
    """The shortest history that breaks the same promise as this one did, and which steps it has."""
    best, tries = told, 0
    check = "" if told.broken is None else told.broken.check

    def fails(places: list[int]) -> bool:
        nonlocal best, tries
        tries += 1
        if tries > _MOST_TRIES:
            return False
        again = tell(told.seed, steps, database, places, kinds)
        has_failed = again.broken is not None and again.broken.check == check
        best = again if has_failed else best
        return has_failed

    last = steps if told.failed_at is None else told.failed_at + 1
    places = shortest(list(range(last)), fails)
    return best, places
