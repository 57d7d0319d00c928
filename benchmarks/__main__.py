"""`python -m benchmarks`: both sides through all scenarios; prints as it goes, writes tables and a plot at the end."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.chain import AT_ONCE, LIKE_MAINNET
from benchmarks.growth import expire_many
from benchmarks.limits import maintain_nothing, under_a_limit
from benchmarks.measuring import OURS, PEER, Measured, measure
from benchmarks.processes import ROOT
from benchmarks.report import Results, write
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.shops import PEER_MOST

PEER_SIZE = 50
LINEAR_SIZES = (10, 50, 200)
LINEAR, SLOW, LARGE = "sweep-SPL", "sweep-SPL", ("sweep-SPL", "recheck-unpaid")
LARGE_SIZE = 10_000
"""Of the scenarios only those with a goal for it: the whole command is not started twice for ten thousand wallets."""

MOST_CALLS, MOST_FEE = 1.15, 1.03
"""Times the floor."""

CALLS_A_RUN, FEE_A_RUN = 16, 10_000
"""Preflight, fees, simulations for compute units, a second status poll; the last transaction is seldom full."""


def main() -> None:
    options = _options()
    began = time.monotonic()
    results = Results()
    for scenario in SCENARIOS.values():
        if _wanted(options.only, scenario.name):
            for one in _measured(scenario, options):
                results.measured.append(one)
                print(_line(one), flush=True)
    _extras(options, results)
    results.seconds = time.monotonic() - began
    if not options.no_write:
        for path in write(results, options.out):
            print(f"wrote {path}")
    print(f"took {results.seconds:.0f} s")
    failed = [
        one for one in results.measured if one.side == OURS and (one.wrong or not _is_within_bounds(one))
    ]
    for one in failed:
        print(f"NOT AS IT SHOULD BE: {_line(one)}")
    raise SystemExit(1 if failed else 0)


def _is_within_bounds(one: Measured) -> bool:
    """Counts do not depend on the machine; what a run costs once, whatever its size, comes on top."""
    few_calls = one.calls <= MOST_CALLS * one.floor_calls + CALLS_A_RUN
    return few_calls and one.fee <= MOST_FEE * one.floor_fee + FEE_A_RUN


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help="names of parts, or how they begin, comma separated")
    parser.add_argument("--sizes", default=f"{PEER_SIZE},1000,{LARGE_SIZE}", help="payments, comma separated")
    parser.add_argument("--latencies", default="0,20", help="milliseconds, comma separated")
    parser.add_argument("--sides", default=f"{OURS},{PEER}")
    parser.add_argument("--counts-only", action="store_true", help="no whole commands: for a check of counts")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="the folder that is written to")
    return parser.parse_args()


def _wanted(only: str, name: str) -> bool:
    return not only or name.startswith(tuple(only.split(",")))


def _measured(scenario: Scenario, options: argparse.Namespace) -> Iterator[Measured]:
    sizes = [int(size) for size in options.sizes.split(",")]
    latencies = [int(latency) for latency in options.latencies.split(",")]
    for latency in latencies:
        if OURS in options.sides:
            for size in sizes:
                if size >= LARGE_SIZE and (scenario.name not in LARGE or latency != max(latencies)):
                    continue
                with_whole = size < LARGE_SIZE and not options.counts_only
                yield measure(OURS, scenario, size, latency, AT_ONCE, with_whole=with_whole)
        if PEER in options.sides:
            # Its cost is linear: shown once, then measured at one size.
            shows = scenario.name == LINEAR and latency == min(latencies)
            for size in LINEAR_SIZES if shows else (PEER_SIZE,):
                if size in sizes or (size <= PEER_MOST and shows):
                    yield measure(PEER, scenario, size, latency, AT_ONCE)


def _extras(options: argparse.Namespace, results: Results) -> None:
    sizes = [int(size) for size in options.sizes.split(",")]
    if _wanted(options.only, "pace"):
        for side, size in ((OURS, 1_000), (PEER, 10)):
            if side in options.sides:
                results.measured.append(measure(side, SCENARIOS[SLOW], size, 20, LIKE_MAINNET))
                print(_line(results.measured[-1]), flush=True)
    if _wanted(options.only, "idle"):
        results.idle = maintain_nothing(20)
        print(results.idle, flush=True)
    if _wanted(options.only, "limit"):
        results.limited = under_a_limit(1_000)
        print(results.limited, flush=True)
    if _wanted(options.only, "growth"):
        for count in (10_000, 100_000) if LARGE_SIZE in sizes else (1_000,):
            for database in ("postgresql", "sqlite"):
                results.growth.append(expire_many(database, count, max(count, 100_000), 0))
                print(results.growth[-1], flush=True)


def _line(one: Measured) -> str:
    whole = "" if one.whole_seconds is None else f", whole {one.whole_seconds:.2f} s"
    return (
        f"{one.side:5} {one.scenario:15} {one.size:6} at {one.latency_ms:2} ms: {one.alone_seconds:8.2f} s"
        f" (CPU {one.alone_cpu:.2f}, chain {one.chain_cpu:.2f}){whole}, {one.memory or 0:.0f} MiB,"
        f" {one.calls / one.size:.3f} calls (floor {one.floor_calls / one.size:.3f}),"
        f" {one.transactions} transactions, fee {one.fee / one.size:.0f} (floor {one.floor_fee / one.size:.0f})"
        f"{', WRONG: ' + one.wrong if one.wrong else ''}"
    )


if __name__ == "__main__":
    main()
