"""The limit of time of code that runs in this process: Django's receivers."""

import contextlib
import threading
import time

import pytest

from solpay_pipeline.events.sinks.alarm import OutOfTime, at_most

LONG = 30.0


def test_a_block_in_time_is_left_alone_and_nothing_rings_afterwards():
    with at_most(0.05):
        pass
    time.sleep(0.1)


def test_a_block_that_sleeps_is_left_at_its_limit():
    started = time.monotonic()
    with pytest.raises(OutOfTime), at_most(0.05):
        time.sleep(LONG)
    assert time.monotonic() - started < LONG / 2


def test_code_that_catches_every_exception_does_not_catch_the_alarm():
    def hang() -> None:
        while True:
            try:
                time.sleep(LONG)
            except Exception:  # noqa: BLE001 - as receivers do
                continue

    with pytest.raises(OutOfTime), at_most(0.05):
        hang()


def test_code_that_swallows_the_alarm_hears_it_again():
    def swallow_once() -> None:
        with contextlib.suppress(BaseException):
            time.sleep(LONG)
        time.sleep(LONG)

    with pytest.raises(OutOfTime), at_most(0.05):
        swallow_once()


def test_another_thread_has_no_limit_and_works():
    done: list[bool] = []

    def work() -> None:
        with at_most(0.01):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
