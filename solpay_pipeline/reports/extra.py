"""Frames and plots stand on libraries that only reports need: the extra `reports`."""

from collections.abc import Iterator
from contextlib import contextmanager

from solpay_pipeline.base.errors import NeedsOperator

_LIBRARIES = ("pandas", "matplotlib")


class ReportsNotInstalled(NeedsOperator):
    """The extra is not installed; the text is the command that installs it."""


@contextmanager
def needing_reports() -> Iterator[None]:
    """Import and make reports in this block. Raises `ReportsNotInstalled`."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name not in _LIBRARIES:
            raise
        raise ReportsNotInstalled(
            f"reports need {missing.name}: pip install 'solpay-pipeline[reports]'"
        ) from None
