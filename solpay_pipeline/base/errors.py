"""Everything this package raises on purpose, as one tree that says who can do something about it.

    SolpayError
    ├── NeedsOperator   stays until somebody changes something: fail at once, no retry
    ├── Passing         asking again, later or elsewhere, may help: retry within the run's limits
    └── AboutOneRow     the trouble of one row, event or transaction: it becomes a finding, the others go on

Each room adds its own exceptions to one of the three branches. No list by hand says which is which.
"""


class SolpayError(Exception):
    """Base of all that this package raises on purpose. Its text is for people and holds no secret."""


class NeedsOperator(SolpayError):
    """Trying again will not help before somebody changes something. The text says what, in one line."""


class Passing(SolpayError):
    """Trying again may help. `retry_after`: the seconds that were asked for, where somebody asked."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AboutOneRow(SolpayError):
    """One row, event or transaction cannot be worked on; all others can."""


class Blocked(NeedsOperator):
    """A run must not go on as things are: the records, the fee payer or the receiver do not fit."""
