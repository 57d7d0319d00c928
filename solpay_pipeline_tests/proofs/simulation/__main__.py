"""`make simulate SEEDS=2000 [STEPS=40] [FIRST=0] [KEEP=0-2,7] [ONLY=thieves,dust]`: many histories on all cores, or one
of them again. Kinds of rudeness are chosen by ONLY or WITHOUT; ONLY=none is a polite world.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from solpay_pipeline_tests.proofs.simulation.database import Database
from solpay_pipeline_tests.proofs.simulation.history import Told, tell
from solpay_pipeline_tests.proofs.simulation.rude.kinds import ALL_ON, Kind, kinds_of
from solpay_pipeline_tests.proofs.simulation.shrink import as_text, from_text
from solpay_pipeline_tests.proofs.simulation.worker import live, shorten

_PROGRESS_SECONDS = 5.0


def main() -> int:
    """0 where every promise was kept."""
    arguments = _arguments()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # A set of texts must come in the same order in every process that lives through a seed.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(
            sys.executable, [sys.executable, "-m", "solpay_pipeline_tests.proofs.simulation", *sys.argv[1:]]
        )
    if arguments.keep is not None:
        return _again(arguments)
    began = time.monotonic()
    tally: Counter[str] = Counter()
    failed: list[Told] = []
    for done, told in enumerate(_all(arguments), 1):
        tally.update(told.tally)
        tally["histories"] += 1
        if told.broken is not None:
            failed.append(told)
            print(f"\nseed {told.seed}, step {told.failed_at}: {told.broken}", file=sys.stderr, flush=True)
            if arguments.first_broken:
                print(f"seed {told.seed}: {told.broken.check}")
                return 1
        _show_progress(done, arguments.seeds, len(failed), time.monotonic() - began)
    print(file=sys.stderr)
    _report(tally, arguments.steps, time.monotonic() - began)
    if not failed:
        print("Every promise was kept in every history.")
        return 0
    _explain(failed, arguments)
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=from_text, default=None, help="steps of the one history FIRST")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--only", dest="kinds", type=kinds_of, default=ALL_ON, help=f"of {', '.join(Kind)}")
    kinds.add_argument("--without", dest="kinds", type=lambda text: ALL_ON - kinds_of(text))
    parser.add_argument(
        "--first-broken", action="store_true", help="stop at the first broken promise, and name it"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _all(arguments: argparse.Namespace) -> Iterator[Told]:
    jobs = [
        (seed, arguments.steps, arguments.kinds)
        for seed in range(arguments.first, arguments.first + arguments.seeds)
    ]
    if min(arguments.workers, arguments.seeds) == 1:
        yield from map(live, jobs)
        return
    # A fresh interpreter each: LiteSVM's threads do not outlive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, mp_context=context) as pool:
        lives = [pool.submit(live, job) for job in jobs]
        for each in as_completed(lives):
            yield each.result()


def _again(arguments: argparse.Namespace) -> int:
    database = Database()
    told = tell(arguments.first, arguments.steps, database, arguments.keep, arguments.kinds)
    print("\n".join(told.sentences))
    if told.broken is None:
        print("Every promise was kept.")
        return 0
    print(f"\nBroken: {told.broken}")
    return 1


_shown_at = 0.0


def _show_progress(done: int, wanted: int, failures: int, seconds: float) -> None:
    global _shown_at
    if done < wanted and seconds - _shown_at < _PROGRESS_SECONDS:
        return
    _shown_at = seconds
    rate = done / seconds if seconds else 0.0
    left = (wanted - done) / rate if rate else 0.0
    print(
        f"\r{done} of {wanted} histories, {failures} failed, {rate:.1f} a second, {left:.0f} s left  ",
        end="",
        file=sys.stderr,
        flush=True,
    )


def _report(tally: Counter[str], steps: int, seconds: float) -> None:
    groups = ("step ", "rude ", "run ", "ended by ", "death at ", "fault ", "transactions ", "events ")
    print(f"{tally['histories']} histories of {steps} steps, in {seconds:.0f} s")
    for group in groups:
        counts = {name[len(group) :]: count for name, count in tally.items() if name.startswith(group)}
        if counts:
            told = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
            print(f"  {group.strip()}: {told}")
    rest = {
        name: count for name, count in tally.items() if not name.startswith(groups) and name != "histories"
    }
    for name, count in sorted(rest.items()):
        print(f"  {name}: {count:,}")


def _explain(failed: list[Told], arguments: argparse.Namespace) -> None:
    by_check: dict[str, list[Told]] = {}
    for told in sorted(failed, key=lambda each: each.seed):
        by_check.setdefault("" if told.broken is None else told.broken.check, []).append(told)
    database = Database()
    for check, all_told in by_check.items():
        seeds = ", ".join(str(told.seed) for told in all_told[:20])
        print(
            f"\n{check}: broken in {len(all_told)} histories (seeds {seeds}). The shortest of seed {all_told[0].seed}:"
        )
        best, places = shorten(all_told[0], arguments.steps, database, arguments.kinds)
        print("\n".join(best.sentences))
        print(f"Broken: {best.broken}")
        chosen = "" if arguments.kinds == ALL_ON else f" ONLY={','.join(sorted(arguments.kinds)) or 'none'}"
        print(
            f"Again: make simulate FIRST={best.seed} STEPS={arguments.steps} KEEP={as_text(places)}{chosen}"
        )


if __name__ == "__main__":
    sys.exit(main())
