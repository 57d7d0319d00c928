"""The teeth of the simulation: for each kind of rudeness a defect that it alone must find when it is put back."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from solpay_pipeline_tests.proofs.mutants.defect import Defect, Edit
from solpay_pipeline_tests.proofs.mutants.defects import DEFECTS
from solpay_pipeline_tests.proofs.mutants.workshop import broken_by, copied_tree, environment
from solpay_pipeline_tests.proofs.simulation.rude.kinds import Kind

MOST_SEEDS: Final = 60
"""Histories that a kind has to find its defect in."""

_FOUND = re.compile(r"^seed (\d+): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Bite:
    """The promise that broke, in the history of which seed; seeds count from 0."""

    seed: int
    promise: str


def _known(name: str) -> Defect:
    return next(defect for defect in DEFECTS if defect.name == name)


def _of_a_kind(what: str, file: str, old: str, new: str) -> Defect:
    """A defect that no test but the simulation is asked to find."""
    return Defect("P0", what, (Edit(file, old, new),), ())


TEETH: Final[dict[Kind, Defect]] = {
    Kind.STRAYS: _known("P3d"),
    Kind.HANDED_OVER: _of_a_kind(
        "a search for accounts is made and what it finds is not looked at",
        "operations/looking/snapshots.py",
        "            snapshot = await _discovered(context, snapshot)\n",
        "            await _discovered(context, snapshot)\n",
    ),
    Kind.OTHER_ACCOUNTS: _of_a_kind(
        "only associated accounts are the wallet's",
        "lifecycle/evidence/statement.py",
        "            for address in (change.address, change.holder)\n",
        "            for address in (change.address,)\n",
    ),
    Kind.THIEVES: _known("P5b"),
    Kind.EDITS: _of_a_kind(
        "what was asked before a row was edited is forgotten",
        "ledger/seen/offers.py",
        "    return [_with_earlier(payment, seen.get(_identity(payment), [])) for payment in payments]\n",
        "    return [_with_earlier(payment, []) for payment in payments]\n",
    ),
    Kind.ISSUERS: _of_a_kind(
        "tokens that cannot move are left without a word",
        "lifecycle/planning.py",
        "            findings.append(_finding(wallet, obstacle[0], obstacle[1], mint, token.amount))\n",
        "",
    ),
    Kind.OUTAGES: _of_a_kind(
        "wallets are watched for some days after their payment's time, and then never again",
        "operations/late_money.py",
        "            without_busy(context, page),\n",
        "            [\n"
        "                one\n"
        "                for one in without_busy(context, page)\n"
        "                if one.payment and one.payment.expires_at > context.chain_time - daily_for\n"
        "            ],\n",
    ),
    Kind.PEERS: _of_a_kind(
        "accounts that the peer left open are never looked at again",
        "operations/late_money.py",
        "    if not open_ones:\n",
        "    if open_ones:\n",
    ),
    Kind.PAYERS: _known("P2d"),
    Kind.DUST: _of_a_kind(
        "money that is held holds the rent of the empty accounts beside it",
        "operations/reclaim.py",
        "        await reconcile(context, page, beside_held)\n",
        "        del page\n",
    ),
}


def bite(root: Path, kind: Kind, seeds: int = MOST_SEEDS) -> Bite | None:
    """Live through histories with one kind of rudeness alone, until a promise breaks; None where none does."""
    command = [sys.executable, "-m", "solpay_pipeline_tests.proofs.simulation", "--workers", "1"]
    ran = subprocess.run(
        [*command, "--only", kind.value, "--seeds", str(seeds), "--first-broken"],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    found = _FOUND.search(ran.stdout)
    return None if found is None else Bite(int(found[1]), found[2])


def show_teeth(names: Sequence[str]) -> int:
    """Put each kind's defect back and let that kind look for it. Returns the exit code, 0 where each was found.

    What breaks a promise without the defect as well proves nothing, and does not count.
    """
    kinds = [kind for kind in TEETH if not names or kind.value in names]
    toothless = 0
    with copied_tree() as root:
        for kind in kinds:
            defect = TEETH[kind]
            with broken_by(defect, root):
                found = bite(root, kind)
            if found is not None and bite(root, kind, found.seed + 1) is not None:
                found = None
            toothless += found is None
            words = "not found" if found is None else f"seed {found.seed} | {found.promise}"
            print(f"| {kind} | {defect.what} | {words} |", flush=True)
    return 1 if toothless or not kinds else 0
