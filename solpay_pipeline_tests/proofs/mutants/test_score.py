"""The score is of the modules that it names, over tests that exist, and the same twice."""

from solpay_pipeline_tests.proofs.mutants.defect import PACKAGE, ROOT, TESTS
from solpay_pipeline_tests.proofs.mutants.score import GROUPS, TIMED, percentage, sampled


def test_every_group_names_modules_and_every_test_file_is_there() -> None:
    for group in GROUPS.values():
        assert all(list((ROOT / PACKAGE).glob(module)) for module in group.modules)
        assert all((ROOT / TESTS / file).exists() for file in group.tests)
    assert all((ROOT / TESTS / test.partition("::")[0]).exists() for test in TIMED)


def test_a_sample_is_the_same_twice_and_has_no_mutant_twice() -> None:
    names = [f"mutant {number}" for number in range(100)]
    chosen = sampled(names, 30)
    assert chosen == sampled(reversed(names), 30)
    assert len(set(chosen)) == 30
    assert set(chosen) < set(names)
    assert sampled(names, None) == sampled(names, 1_000) == sorted(names)


def test_the_score_of_nothing_is_nothing() -> None:
    assert (percentage(0, 0), percentage(3, 4)) == (0.0, 75.0)
