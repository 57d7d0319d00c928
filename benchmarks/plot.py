"""The plot: wallets a second of both sides, and RPC calls a wallet beside the floor."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import OURS, PEER, Measured


def draw(measured: Sequence[Measured], path: Path) -> None:
    """Write a PNG. Both axes are logarithmic: on a linear one the peer would not be seen."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    slowest = max(one.latency_ms for one in measured)
    shown = [one for one in measured if one.latency_ms == slowest and one.pace == "at once"]
    names = list(dict.fromkeys(one.scenario for one in shown))
    figure, (speed, calls) = pyplot.subplots(1, 2, figsize=(12, 4.5))
    for side, colour in ((PEER, "#b5532f"), (OURS, "#2f6db5")):
        best = {one.scenario: one for one in sorted(shown, key=lambda one: one.size) if one.side == side}
        known = [name for name in names if name in best]
        places = [names.index(name) + (0.2 if side == OURS else -0.2) for name in known]
        rates = [best[name].size / best[name].alone_seconds for name in known]
        speed.bar(places, rates, 0.4, color=colour, label=f"{side}")
        each = [best[name].calls / best[name].size for name in known]
        calls.bar(places, each, 0.4, color=colour, label=f"{side}")
        if side == OURS:
            floors = [best[name].floor_calls / best[name].size for name in known]
            calls.plot(places, floors, "k_", markersize=18, label="floor")
    speed.set_title(f"wallets a second, operation alone, {slowest} ms")
    calls.set_title("RPC calls a wallet")
    for axes in (speed, calls):
        axes.set_yscale("log")
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
