"""Every defect of the peer that was found, each where our code could have it. Facts and numbers: docs/mutants.md."""

from typing import Final

from solpay_pipeline_tests.proofs.mutants.defect import Defect
from solpay_pipeline_tests.proofs.mutants.defects_of_conduct import OF_CONDUCT
from solpay_pipeline_tests.proofs.mutants.defects_of_money import OF_MONEY

DEFECTS: Final[tuple[Defect, ...]] = tuple(
    sorted((*OF_MONEY, *OF_CONDUCT), key=lambda defect: (defect.number, defect.name))
)
