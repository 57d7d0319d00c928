"""One measurement: a fresh copy of database and chain, one command, what it cost, and whether the end is right."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.chain import Pace
from benchmarks.processes import peer_python, run
from benchmarks.scenarios import Scenario, holdings, staged, wrong

OURS, PEER = "ours", "peer"


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one side in one scenario. `whole` has the start of the process in it, `alone` only the operation.

    Seconds are of the whole run, mebibytes of `memory` of the operation alone; `chain_cpu` is what the embedded chain
    used meanwhile, on the same machine. `wrong` says what the end state lacks: figures of a wrong end do not count.
    """

    side: str
    scenario: str
    size: int
    latency_ms: int
    pace: str
    whole_seconds: float | None
    whole_cpu: float | None
    alone_seconds: float
    alone_cpu: float
    memory: float | None
    chain_cpu: float
    calls: int
    requests: int
    connections: int
    transactions: int
    signatures: int
    fee: int
    methods: Mapping[str, int]
    floor_calls: int
    floor_fee: int
    wrong: str


def measure(
    side: str, scenario: Scenario, size: int, latency_ms: int, pace: Pace, *, with_whole: bool = True
) -> Measured:
    """Measure the operation alone, and for us the whole command in a second run (the peer's run tells both)."""
    alone = _once(side, scenario, size, latency_ms, pace, whole=False)
    if side == PEER or not with_whole:
        return alone.measured
    whole = _once(side, scenario, size, latency_ms, pace, whole=True)
    wrong = alone.measured.wrong or whole.measured.wrong
    return replace(alone.measured, whole_seconds=whole.wall, whole_cpu=whole.cpu, wrong=wrong)


@dataclass(frozen=True, slots=True)
class _Run:
    measured: Measured
    wall: float
    cpu: float


def _once(side: str, scenario: Scenario, size: int, latency_ms: int, pace: Pace, *, whole: bool) -> _Run:
    with staged(scenario, size, pace) as (shop, database, chain):
        payer = shop.fee_payer_address
        newest = next(iter(chain.signatures(payer)), None)
        before = holdings(shop, chain)
        chain.set_latency(latency_ms / 1000)
        chain.reset()
        chain_cpu = chain.cpu()
        if side == PEER:
            command = [peer_python(), "-m", "benchmarks.peer_side", "command", scenario.peer_command]
            environment = shop.peer_environment(database, chain.url)
        else:
            command = _our_command(scenario, size, whole)
            environment = shop.our_environment(database, chain.url)
        cost = run(command, environment)
        chain_cpu = chain.cpu() - chain_cpu
        counted = chain.counted()
        chain.set_latency(0)
        landed = chain.signatures(payer, until=newest)
        signatures, fee = chain.paid(landed)
        told = {} if whole else cost.told
        floor = scenario.floor(size)
        measured = Measured(
            side=side,
            scenario=scenario.name,
            size=size,
            latency_ms=latency_ms,
            pace=pace.name,
            whole_seconds=cost.wall if side == PEER else None,
            whole_cpu=cost.cpu if side == PEER else None,
            alone_seconds=told.get("wall", 0.0),
            alone_cpu=told.get("cpu", 0.0),
            memory=told.get("memory"),
            chain_cpu=chain_cpu,
            calls=counted.calls,
            requests=counted.requests,
            connections=counted.connections,
            transactions=len(landed),
            signatures=signatures,
            fee=fee,
            methods=counted.methods,
            floor_calls=floor.calls,
            floor_fee=floor.fee,
            wrong=wrong(shop, scenario, database, chain, before),
        )
        return _Run(measured, cost.wall, cost.cpu)


def _our_command(scenario: Scenario, size: int, whole: bool) -> Sequence[str]:
    limit = {"limit": size} if scenario.operation == "recheck" else {}
    if not whole:
        options = json.dumps({**scenario.options, **limit})
        return [sys.executable, "-m", "benchmarks.our_side", scenario.operation, options]
    arguments = [*scenario.arguments, *(["--limit", str(size)] if limit else [])]
    return [sys.executable, "-m", "solpay_pipeline", scenario.operation, *arguments, "--json"]
