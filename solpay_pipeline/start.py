"""Imports without a look for garbage in between: what they make stays, and it is a tenth of a command's start."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Put the collector off within the block, and leave what was made there out of its sight."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
