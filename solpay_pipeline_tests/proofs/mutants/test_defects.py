"""The list of defects stays true to the code, and the check that runs them can tell caught from survived."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

from solpay_pipeline_tests.proofs.mutants.defect import PACKAGE, ROOT, TESTS, Defect, Edit, UnfitPatch
from solpay_pipeline_tests.proofs.mutants.defects import DEFECTS
from solpay_pipeline_tests.proofs.mutants.teeth import TEETH
from solpay_pipeline_tests.proofs.mutants.workshop import Verdict, broken_by, copied_tree, try_out
from solpay_pipeline_tests.proofs.simulation.rude.kinds import ALL_ON

BY_NAME = {defect.name: defect for defect in DEFECTS}


@pytest.mark.parametrize("defect", [*DEFECTS, *TEETH.values()], ids=lambda defect: defect.what)
def test_each_patch_still_fits_the_code_exactly_once(defect: Defect) -> None:
    for file, source in defect.patched().items():
        assert source != (ROOT / PACKAGE / file).read_text(encoding="utf-8")
        ast.parse(source, file)


def test_every_defect_of_the_list_is_put_back_at_least_once() -> None:
    assert {defect.number for defect in DEFECTS} == set(range(1, 16))
    assert len(BY_NAME) == len(DEFECTS)
    assert all(one.number <= next_one.number for one, next_one in pairwise(DEFECTS))


def test_the_tests_that_are_named_exist() -> None:
    for named in {test for defect in DEFECTS for test in defect.tests}:
        file, _, test = named.partition("::")
        source = (ROOT / TESTS / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in source, named


def test_every_kind_of_rudeness_that_is_on_has_teeth() -> None:
    assert set(TEETH) == ALL_ON


def test_a_patch_that_fits_twice_or_nowhere_is_refused() -> None:
    for old in ("return", "no such text"):
        with pytest.raises(UnfitPatch):
            Edit("lifecycle/terms.py", old, "").applied_to("return 1\nreturn 2\n")


def test_the_working_tree_is_never_patched(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(ROOT)
    for root in (ROOT, link):
        with pytest.raises(ValueError, match="working tree"):
            DEFECTS[0].apply(root)


@pytest.mark.slow
def test_the_check_tells_a_defect_that_is_caught_from_one_that_survives_and_from_a_clumsy_patch() -> None:
    harmless = Edit(
        "lifecycle/planning.py", "    rent = sum(action.lamports", "    rent = 0 + sum(action.lamports"
    )
    clumsy = Edit(
        "lifecycle/planning.py", "    rent = sum(action.lamports", "    rent = nobody(action.lamports"
    )
    tests = BY_NAME["P7c"].tests
    with copied_tree() as root:
        file = root / PACKAGE / "lifecycle" / "planning.py"
        sound = file.read_bytes()
        for defect, verdict in (
            (BY_NAME["P7c"], Verdict.CAUGHT),
            (Defect("P1z", "harmless", (harmless,), tests), Verdict.SURVIVED),
            (Defect("P1z", "clumsy", (clumsy,), tests), Verdict.BROKEN),
        ):
            with broken_by(defect, root):
                trial = try_out(root, defect.tests)
            assert trial.verdict is verdict, trial.words
            assert file.read_bytes() == sound
