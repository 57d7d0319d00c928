"""What was measured as JSON, as a plot, and as Markdown between two marks in docs/performance.md."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from benchmarks.growth import Growth
from benchmarks.limits import Idle, Limited
from benchmarks.measuring import OURS, PEER, Measured
from benchmarks.plot import draw

PEER_SIZE = 50
README_SIZE, README_LATENCY = 1_000, 20
Row = TypeVar("Row")
Columns = Mapping[str, Callable[[Row], str]]
"""What stands in each column of a table, by its head."""
Pair = tuple[Measured, Measured]
"""The peer's and ours."""

BEGIN, END = "<!-- figures: begin, written by `make bench` -->", "<!-- figures: end -->"


@dataclass(slots=True)
class Results:
    """All of one run."""

    measured: list[Measured] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    limited: list[Limited] = field(default_factory=list)
    idle: Idle | None = None
    seconds: float = 0.0

    def one(
        self, side: str, scenario: str, size: int, latency_ms: int, pace: str = "at once"
    ) -> Measured | None:
        """The measurement of that description, where its end was right."""
        for each in self.measured:
            named = (each.side, each.scenario, each.size, each.latency_ms, each.pace)
            if named == (side, scenario, size, latency_ms, pace) and not (each.wrong and side == OURS):
                return each
        return None


def write(results: Results, folder: Path) -> list[Path]:
    """Write `performance.json` and the plot, and put the tables into `performance.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    told, plot, page = (
        folder / "performance.json",
        folder / "images" / "performance.png",
        folder / "performance.md",
    )
    told.write_text(json.dumps({"machine": machine(), **asdict(results)}, indent=1) + "\n")
    written = [told]
    if any(each.side == PEER for each in results.measured):
        draw(results.measured, plot)
        written.append(plot)
    _put(page, markdown(results))
    readme, short = folder.parent / "README.md", _short(results)
    if short and readme.exists():
        _put(readme, short)
        written.append(readme)
    return [*written, page]


def _put(page: Path, tables: str) -> None:
    """Between the two marks; a page without them is not there yet."""
    before = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    head, mark, rest = before.partition(BEGIN)
    if mark:
        page.write_text(f"{head}{BEGIN}\n{tables}\n{END}{rest.partition(END)[2]}")


def _short(results: Results) -> str:
    """For the README: a thousand of ours beside fifty of the peer's."""
    pairs = [
        (peer, ours)
        for peer, ours in _pairs(results)
        if (ours.size, ours.latency_ms) == (README_SIZE, README_LATENCY)
    ]
    columns: Columns[Pair] = {
        "times the peer": lambda pair: pair[1].scenario,
        **{name: RATIOS[name] for name in RATIOS if name not in ("less CPU", "fee / floor")},
        "the peer's end state": lambda pair: "wrong" if pair[0].wrong else "right",
    }
    return _table(columns, pairs) if pairs else ""


def _pairs(results: Results) -> Iterator[Pair]:
    """What the peer was measured at, and each of ours beside it whose end was right."""
    for ours in results.measured:
        peer = results.one(PEER, ours.scenario, PEER_SIZE, ours.latency_ms)
        if ours.side == OURS and not ours.wrong and peer is not None and ours.pace == "at once":
            yield peer, ours


def machine() -> dict[str, str | int]:
    """What the figures were made on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        "?",
    )
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return {
        "cpu": model,
        "cores": os.cpu_count() or 1,
        "memory_gib": int(memory) // 1024**2,
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load": f"{os.getloadavg()[2]:.1f}",
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def markdown(results: Results) -> str:
    """All tables."""
    made = machine()
    minutes, seconds = divmod(round(results.seconds), 60)
    made_on = (
        f"Made {made['made']} in {minutes} min {seconds} s on {made['cores']} cores of {made['cpu']}, "
        f"{made['memory_gib']} GiB, {made['system']}; load average {made['load']}."
    )
    parts = [made_on, _beside(results), _of_each(results), _linear(results), _rest(results)]
    return "\n\n".join(part for part in parts if part)


def _beside(results: Results) -> str:
    """Ratios: ours at each size against the peer at 50, a wallet."""
    columns: Columns[Pair] = {
        "scenario": lambda pair: pair[1].scenario,
        "wallets": lambda pair: f"{pair[1].size:,}",
        "latency, ms": lambda pair: f"{pair[1].latency_ms}",
        **RATIOS,
        "the peer's end state": lambda pair: f"wrong: {pair[0].wrong}" if pair[0].wrong else "right",
    }
    told = "### Beside the peer\n\nHow many times the peer, for each wallet; the peer at 50.\n\n"
    return told + _table(columns, _pairs(results))


def _of_each(results: Results) -> str:
    columns: Columns[Measured] = {
        "side": lambda one: one.side,
        "scenario": lambda one: one.scenario,
        "wallets": lambda one: f"{one.size:,}",
        "latency, ms": lambda one: (
            f"{one.latency_ms}{'' if one.pace == 'at once' else f', confirmed after {one.pace}'}"
        ),
        "operation, ms": lambda one: _each(one.alone_seconds, one),
        "command, ms": lambda one: _each(one.whole_seconds, one),
        "CPU, ms": lambda one: _each(one.alone_cpu, one),
        "RPC calls": lambda one: f"{one.calls / one.size:.3f}",
        "HTTP requests": lambda one: f"{one.requests / one.size:.3f}",
        "connections in all": lambda one: f"{one.connections}",
        "transactions": lambda one: f"{one.transactions / one.size:.2f}",
        "signatures": lambda one: f"{one.signatures / one.size:.2f}",
        "base fee, lamports": lambda one: f"{one.fee / one.size:,.0f}",
        "memory, MiB": lambda one: f"{one.memory or 0:.0f}",
        "end state": lambda one: one.wrong or "right",
    }
    return "### A wallet\n\n" + _table(columns, results.measured)


def _linear(results: Results) -> str:
    shown = [
        one
        for one in results.measured
        if one.side == PEER and one.scenario == "sweep-SPL" and not one.latency_ms
    ]
    if len(shown) < 2:
        return ""
    columns: Columns[Measured] = {
        "wallets": lambda one: f"{one.size}",
        "seconds": lambda one: f"{one.alone_seconds:.1f}",
        "ms a wallet": lambda one: _each(one.alone_seconds, one),
    }
    return "### The peer's cost is linear\n\n" + _table(columns, shown)


def _rest(results: Results) -> str:
    lines = []
    if results.idle is not None:
        lines.append(
            f"- `solpay maintain` with nothing to do, whole command at {results.idle.latency_ms} ms: "
            f"{results.idle.median:.2f} s in the middle of {len(results.idle.seconds)} runs "
            f"({results.idle.seconds[0]:.2f} to {results.idle.seconds[-1]:.2f}), {results.idle.calls} RPC calls."
        )
    lines += [
        f"- `expire --no-check-history` of {one.count:,} unpaid payments among {one.total:,} on {one.database}: "
        f"{one.count / one.seconds:,.0f} a second, {one.memory:.0f} MiB at most, {one.calls:,} RPC calls"
        f"{'; WRONG: ' + one.wrong if one.wrong else ''}."
        for one in results.growth
    ]
    lines += [
        f"- sweep of {one.size} wallets against a limit of 10 requests a second, "
        f"{'SOLPAY_RPC_RATE_LIMIT=10' if one.is_told else 'not told of it'}: {one.seconds:.1f} s, {one.calls} calls, "
        f"{one.refused} refused; at that pace they take {one.allowed_seconds:.1f} s."
        for one in results.limited
    ]
    return "### The rest\n\n" + "\n".join(lines) if lines else ""


def _ratio(of: Callable[[Measured], float | None]) -> Callable[[Pair], str]:
    """How many times ours the peer's figure is, for each wallet."""

    def ratio(pair: Pair) -> str:
        peer, ours = pair
        theirs, mine = of(peer), of(ours)
        if not theirs or not mine:
            return ""
        times = (theirs / peer.size) / (mine / ours.size)
        return f"{times:,.0f}" if times >= 10 else f"{times:.2f}"

    return ratio


RATIOS: Columns[Pair] = {
    "faster, operation": _ratio(lambda one: one.alone_seconds),
    "faster, command": _ratio(lambda one: one.whole_seconds),
    "less CPU": _ratio(lambda one: one.alone_cpu),
    "fewer calls": _ratio(lambda one: one.calls),
    "less fee": _ratio(lambda one: one.fee),
    "calls / floor": lambda pair: f"{pair[1].calls / pair[1].floor_calls:.2f}",
    "fee / floor": lambda pair: f"{pair[1].fee / pair[1].floor_fee:.2f}" if pair[1].floor_fee else "",
}


def _each(seconds: float | None, one: Measured) -> str:
    return "" if seconds is None else f"{seconds / one.size * 1000:,.2f}"


def _table(columns: Columns[Row], rows: Iterable[Row]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(of(row) for of in columns.values())} |" for row in rows)])


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
