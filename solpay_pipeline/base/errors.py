"""All exceptions of this package, as one tree that says who can do something about them.

    SolpayError
    ├── NeedsOperator   stays until an operator changes something: fail at once, no retry
    ├── Passing         asking again, later or elsewhere, may help: retry within the run's limits
    └── AboutOneRow     concerns one row, event or transaction: it becomes a finding, the others go on

Each room adds its own exceptions to one of the three branches, so no list of them is needed.
"""


class SolpayError(Exception):
    """Base of all exceptions of this package. The text is for people and holds no secret."""


class NeedsOperator(SolpayError):
    """Trying again does not help before an operator changes something. The text says what, in one line."""


class Passing(SolpayError):
    """Trying again may help. `retry_after`: the seconds that the other side asked us to wait, if it did."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AboutOneRow(SolpayError):
    """One row, event or transaction cannot be worked on; all others can."""


class Blocked(NeedsOperator):
    """A run must not start: something about the records, the fee payer or the receiver is wrong."""
