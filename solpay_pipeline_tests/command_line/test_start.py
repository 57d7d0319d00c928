"""A command searches no garbage where all there is stays, or goes with the process."""

import gc
from collections.abc import Iterator

import pytest

from solpay_pipeline.base.startup import importing, leaving


@pytest.fixture(autouse=True)
def nothing_hidden() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()


def test_the_collector_rests_while_modules_come_and_works_again_when_one_fails_to():
    def fail() -> None:
        with importing():
            assert not gc.isenabled()
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_at_its_end_a_command_leaves_nothing_to_be_searched_even_where_it_fails():
    def fail() -> None:
        with leaving():
            assert gc.get_freeze_count() == 0
            raise SystemExit(1)

    with pytest.raises(SystemExit):
        fail()
    assert len(gc.get_objects()) < gc.get_freeze_count() / 100
