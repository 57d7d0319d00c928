from collections.abc import Iterator

import pytest

from solpay_pipeline_tests.command_line.warm import Warm, warm_solpay


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with warm_solpay() as ready:
        yield ready
