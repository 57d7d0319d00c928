"""The mutation score of the rules, the ledger, the packing and the broadcast, by mutmut over their quick tests.

Works in a copy of the tree. mutmut changes the bodies of functions and undecorated methods; properties, module-level
tables and enumerations are left to the defects of the peer and to ordinary tests.
"""

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from solpay_pipeline_tests.proofs.mutants.defect import PACKAGE, TESTS
from solpay_pipeline_tests.proofs.mutants.workshop import copied_tree


@dataclass(frozen=True)
class Group:
    """Modules, the tests that are theirs, and a mutant to begin with, by mutmut's name below the package."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    first: str


GROUPS: Final[Mapping[str, Group]] = {
    "lifecycle": Group(
        ("lifecycle/*.py",), ("rooms/lifecycle", "operations"), "lifecycle.resolution.x_resolve__mutmut_1"
    ),
    "ledger": Group(
        ("ledger/*.py",),
        ("rooms/ledger", "operations", "rooms/events/test_migrations.py"),
        "ledger.looks.x_rechecked__mutmut_1",
    ),
    "packing": Group(
        ("chain/sending/packing.py", "chain/sending/bins.py"),
        ("rooms/chain/test_packing.py", "rooms/chain/test_packing_details.py"),
        "chain.sending.packing.x_build__mutmut_1",
    ),
    "broadcast": Group(
        ("chain/sending/broadcast.py",),
        ("rooms/chain/test_broadcast.py", "rooms/chain/test_broadcast_course.py"),
        "chain.sending.broadcast.x__wait__mutmut_1",
    ),
}
"""The tests are quick and in process; for each mutant those that call its function are run, fastest first."""

TIMED: Final = (
    "rooms/chain/test_packing.py::test_a_thousand_wallets_are_packed_within_a_second",
    "rooms/chain/test_packing.py::test_dust_of_fifty_mints_in_every_wallet_does_not_slow_the_packing_down",
)
"""They measure time, which mutmut's own bookkeeping takes."""

SEED: Final = 20261122
"""The same sample in every run of the same code."""

DEFAULT_SAMPLE: Final = 150
"""Mutants a group: about twelve minutes, and an overall score that is right to about two percent."""

EXAMPLES: Final = "max_examples=20, derandomize=True, phases=[__import__('hypothesis').Phase.generate]"
"""Whether a mutant dies must not be a matter of luck, and nobody reads its smallest example."""

KILLED: Final = frozenset({1, 3})
"""Exit codes of a pytest that failed. One that had to be stopped proves little: it counts as a survivor."""

UNTESTED: Final = 33

SPINNER: Final = re.compile("[\u2800-\u28ff]")


def mutants_of(root: Path) -> dict[str, int | None]:
    """All mutants that mutmut has made below `root`, and pytest's exit code where they were tried."""
    found: dict[str, int | None] = {}
    for meta in sorted((root / "mutants" / PACKAGE).rglob("*.meta")):
        found |= json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def sampled(names: Iterable[str], size: int | None) -> list[str]:
    """A seeded choice of `size` names; None, or as many as there are, means all."""
    ordered = sorted(names)
    if size is None or size >= len(ordered):
        return ordered
    return sorted(random.Random(SEED).sample(ordered, size))


def percentage(killed: int, tried: int) -> float:
    """For people to read."""
    return 100 * killed / tried if tried else 0.0


def prepare(root: Path, group: Group) -> None:
    """Make a copied tree ready for mutmut."""
    options = ["-p", "no:xdist", "-p", "no:cacheprovider", "-m", "not slow and not postgres"]
    options += [f"--deselect={TESTS}/{test}" for test in TIMED]
    settings = {
        "source_paths": [PACKAGE],
        "only_mutate": [f"{PACKAGE}/{module}" for module in group.modules],
        "do_not_mutate": [f"{PACKAGE}/ledger/migrations/*"],
        "also_copy": [TESTS],
        "pytest_add_cli_args": options,
        "pytest_add_cli_args_test_selection": [f"{TESTS}/{file}" for file in group.tests],
        "use_git_change_detection": ["false"],
        # A process that has run tests has threads, of solders among others, and what is forked off it may hang.
        "process_isolation": ["forkserver"],
        "timeout_multiplier": ["3"],
        "timeout_constant": ["20"],
    }
    lines = [
        f"{name}={values[0]}\n"
        if len(values) == 1
        else f"{name}=\n" + "".join(f"    {value}\n" for value in values)
        for name, values in settings.items()
    ]
    (root / "setup.cfg").write_text("[mutmut]\n" + "".join(lines), encoding="utf-8")
    for folder in ("rooms/lifecycle", "rooms/ledger", "rooms/chain"):
        for file in (root / TESTS / folder).glob("test_*.py"):
            source = file.read_text(encoding="utf-8")
            file.write_text(re.sub(r"max_examples=\d+", EXAMPLES, source), encoding="utf-8")


def mutmut(root: Path, *arguments: str) -> str:
    """Run mutmut in a prepared tree; raises RuntimeError with its last words where it could not work."""
    ran = subprocess.run(
        [sys.executable, "-c", "from mutmut.__main__ import cli; cli()", *arguments],
        cwd=root,
        # The tree itself must not be importable: mutmut's mutated copy of it is.
        env={**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        # The rest is a spinner, a line for each of its turns.
        lines = [line for line in re.split(r"[\r\n]+", ran.stdout + ran.stderr) if not SPINNER.match(line)]
        raise RuntimeError(f"mutmut {arguments[0]} failed:\n" + "\n".join(lines[-40:]))
    return ran.stdout


def score(size: int | None, groups: Sequence[str] = tuple(GROUPS)) -> tuple[float, list[str]]:
    """Try out a sample of `size` mutants a group, print the scores; returns the overall one and the survivors' diffs."""
    total: Counter[str] = Counter()
    survivors: list[str] = []
    for name in groups:
        with copied_tree() as root:
            prepare(root, GROUPS[name])
            # A first small run makes all mutants and learns which test calls which function.
            mutmut(root, "run", "--max-children", "1", f"{PACKAGE}.{GROUPS[name].first}")
            everything = mutants_of(root)
            chosen = sampled(everything, size)
            mutmut(root, "run", "--max-children", "1", *chosen)
            codes = mutants_of(root)
            alive = [mutant for mutant in chosen if codes[mutant] not in KILLED]
            survivors += [mutmut(root, "show", mutant) for mutant in alive]
        untested = sum(codes[mutant] == UNTESTED for mutant in alive)
        stopped = sum(codes[mutant] not in (0, UNTESTED) for mutant in alive)
        killed = len(chosen) - len(alive)
        total.update(killed=killed, tried=len(chosen))
        print(
            f"{name:10} {killed:4} of {len(chosen):4} killed ({len(everything)} in all), "
            f"{percentage(killed, len(chosen)):5.1f} %; {len(alive)} survive, "
            f"{untested} of them untested, {stopped} stopped",
            flush=True,
        )
    overall = percentage(total["killed"], total["tried"])
    print(f"{'together':10} {total['killed']:4} of {total['tried']:4} killed, {overall:5.1f} %")
    return overall, survivors
