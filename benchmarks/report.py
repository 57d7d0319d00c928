"""What was measured as JSON, as a plot, and as Markdown between two marks in docs/performance.md."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.growth import Growth
from benchmarks.limits import Idle, Limited
from benchmarks.measuring import OURS, PEER, Measured
from benchmarks.plot import draw

PEER_SIZE = 50
README_SIZE, README_LATENCY = 1_000, 20
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
    rows = []
    for ours in results.measured:
        peer = results.one(PEER, ours.scenario, PEER_SIZE, ours.latency_ms)
        described = (ours.side, ours.size, ours.latency_ms, ours.pace)
        if (
            described == (OURS, README_SIZE, README_LATENCY, "at once")
            and not ours.wrong
            and peer is not None
        ):
            rows.append(
                [
                    ours.scenario,
                    _ratio(peer, ours, lambda one: one.alone_seconds),
                    _ratio(peer, ours, lambda one: one.whole_seconds),
                    _ratio(peer, ours, lambda one: one.calls),
                    _ratio(peer, ours, lambda one: one.fee),
                    f"{ours.calls / ours.floor_calls:.2f}",
                    "right" if not peer.wrong else "wrong",
                ]
            )
    head = (
        "times the peer",
        "faster, operation",
        "faster, command",
        "fewer calls",
        "less fee",
        "calls / floor",
        "the peer's end state",
    )
    return _table(head, rows) if rows else ""


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
    parts = [
        made_on,
        _beside(results),
        _of_each(results),
        _linear(results),
        _rest(results),
    ]
    return "\n\n".join(part for part in parts if part)


def _beside(results: Results) -> str:
    """Ratios: ours at each size against the peer at 50, a wallet."""
    rows = []
    for ours in results.measured:
        peer = results.one(PEER, ours.scenario, PEER_SIZE, ours.latency_ms)
        if ours.side != OURS or ours.wrong or peer is None or ours.pace != "at once":
            continue
        rows.append(
            [
                ours.scenario,
                f"{ours.size:,}",
                f"{ours.latency_ms}",
                _ratio(peer, ours, lambda one: one.alone_seconds),
                _ratio(peer, ours, lambda one: one.whole_seconds),
                _ratio(peer, ours, lambda one: one.alone_cpu),
                _ratio(peer, ours, lambda one: one.calls),
                _ratio(peer, ours, lambda one: one.fee),
                f"{ours.calls / ours.floor_calls:.2f}",
                f"{ours.fee / ours.floor_fee:.2f}" if ours.floor_fee else "",
                "right" if not peer.wrong else f"wrong: {peer.wrong}",
            ]
        )
    head = (
        "scenario",
        "wallets",
        "latency, ms",
        "faster, operation",
        "faster, command",
        "less CPU",
        "fewer calls",
        "less fee",
        "calls / floor",
        "fee / floor",
        "the peer's end state",
    )
    return "### Beside the peer\n\nHow many times the peer, for each wallet; the peer at 50.\n\n" + _table(
        head, rows
    )


def _of_each(results: Results) -> str:
    rows = [
        [
            one.side,
            one.scenario,
            f"{one.size:,}",
            f"{one.latency_ms}" + ("" if one.pace == "at once" else f", confirmed after {one.pace}"),
            _each(one.alone_seconds, one),
            _each(one.whole_seconds, one),
            _each(one.alone_cpu, one),
            f"{one.calls / one.size:.3f}",
            f"{one.requests / one.size:.3f}",
            f"{one.connections}",
            f"{one.transactions / one.size:.2f}",
            f"{one.signatures / one.size:.2f}",
            f"{one.fee / one.size:,.0f}",
            f"{one.memory or 0:.0f}",
            one.wrong or "right",
        ]
        for one in results.measured
    ]
    head = (
        "side",
        "scenario",
        "wallets",
        "latency, ms",
        "operation, ms",
        "command, ms",
        "CPU, ms",
        "RPC calls",
        "HTTP requests",
        "connections in all",
        "transactions",
        "signatures",
        "base fee, lamports",
        "memory, MiB",
        "end state",
    )
    return "### A wallet\n\n" + _table(head, rows)


def _linear(results: Results) -> str:
    shown = [
        one
        for one in results.measured
        if one.side == PEER and one.scenario == "sweep-SPL" and not one.latency_ms
    ]
    if len(shown) < 2:
        return ""
    rows = [[f"{one.size}", f"{one.alone_seconds:.1f}", _each(one.alone_seconds, one)] for one in shown]
    return "### The peer's cost is linear\n\n" + _table(("wallets", "seconds", "ms a wallet"), rows)


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


def _ratio(peer: Measured, ours: Measured, of: Callable[[Measured], float | None]) -> str:
    theirs, mine = of(peer), of(ours)
    if not theirs or not mine:
        return ""
    ratio = (theirs / peer.size) / (mine / ours.size)
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2f}"


def _each(seconds: float | None, one: Measured) -> str:
    return "" if seconds is None else f"{seconds / one.size * 1000:,.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
