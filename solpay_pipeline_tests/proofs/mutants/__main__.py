"""`python -m solpay_pipeline_tests.proofs.mutants defects [P6 P9b ...]` puts the peer's defects back, one at a time.

`... teeth [KIND ...]` puts a defect back for each kind of rudeness, and lets the simulation look for it with that kind
alone. `... score [N | all] [--survivors FILE]` tries out N mutants of each group of modules. Exit code 1 where a defect
survives or cannot be judged, or where the score is below the least that is accepted.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from solpay_pipeline_tests.proofs.mutants.defect import Defect
from solpay_pipeline_tests.proofs.mutants.defects import DEFECTS
from solpay_pipeline_tests.proofs.mutants.score import DEFAULT_SAMPLE, score
from solpay_pipeline_tests.proofs.mutants.teeth import show_teeth
from solpay_pipeline_tests.proofs.mutants.workshop import Trial, Verdict, broken_by, copied_tree, try_out

LEAST_SCORE: Final = 85.0
"""Percent of the mutants that tests must kill; docs/mutants.md says what the others are."""


def chosen(names: Sequence[str]) -> list[Defect]:
    """All, or those of the numbers or names given."""
    if not names:
        return list(DEFECTS)
    return [defect for defect in DEFECTS if {defect.name, f"P{defect.number}"} & set(names)]


def check(defects: Sequence[Defect]) -> list[Trial]:
    """Try the defects out, and print what became of each.

    Raises RuntimeError where the tests fail without any defect, which would make every verdict worthless.
    """
    trials = []
    with copied_tree() as root:
        tests = list(dict.fromkeys(test for defect in defects for test in defect.tests))
        sound = try_out(root, tests)
        if sound.verdict is not Verdict.SURVIVED:
            raise RuntimeError(f"without any defect {sound.test or 'the tests'} failed: {sound.words}")
        print(f"without a defect all {len(tests)} tests pass, {sound.seconds:.0f} s\n", flush=True)
        for defect in defects:
            with broken_by(defect, root):
                trial = try_out(root, defect.tests)
            trials.append(trial)
            print(f"{defect.name:5} {trial.verdict.value:8} {trial.seconds:4.0f} s  {defect.what}")
            print(f"{'':22}in {defect.places}")
            if trial.test:
                print(f"{'':22}by {trial.test}")
            if trial.verdict is Verdict.BROKEN:
                print(trial.words)
            sys.stdout.flush()
    return trials


def put_back(names: Sequence[str]) -> int:
    """Returns the exit code."""
    trials = check(chosen(names))
    counted = {verdict: sum(trial.verdict is verdict for trial in trials) for verdict in Verdict}
    print("\n" + ", ".join(f"{count} {verdict.value}" for verdict, count in counted.items()))
    return 0 if trials and counted[Verdict.CAUGHT] == len(trials) else 1


def measure(sample: str, survivors: Path | None) -> int:
    """Returns the exit code."""
    percent, diffs = score(None if sample == "all" else int(sample))
    if survivors is None:
        print("\n" + "\n".join(diffs))
    else:
        survivors.write_text("\n".join(diffs), encoding="utf-8")
    return 0 if percent >= LEAST_SCORE else 1


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    defects = commands.add_parser("defects")
    defects.add_argument("names", nargs="*")
    scoring = commands.add_parser("score")
    scoring.add_argument("sample", nargs="?", default=str(DEFAULT_SAMPLE))
    scoring.add_argument("--survivors", type=Path)
    teeth = commands.add_parser("teeth")
    teeth.add_argument("kinds", nargs="*")
    given = parser.parse_args(arguments)
    if given.command == "defects":
        return put_back(given.names)
    if given.command == "teeth":
        return show_teeth(given.kinds)
    return measure(given.sample, given.survivors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
