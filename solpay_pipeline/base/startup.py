"""Where a command begins and ends: no look for garbage among what stays as long as the process does."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Put the collector off within the block, and leave what was made there out of its sight: a tenth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def leaving() -> Iterator[None]:
    """When the block is over, hide everything from the collector.

    Python searches all there is when it ends, half a second's work for what goes with the process.
    """
    try:
        yield
    finally:
        gc.freeze()
