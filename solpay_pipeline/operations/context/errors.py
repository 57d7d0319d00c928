"""What stops an operation as a whole. A single wallet never does: it is set aside."""


class Blocked(Exception):
    """The run must not go on, and trying again will not help before somebody changes something.

    The text says what, in one line, and what to do.
    """


class ChangedUnderneath(Exception):
    """A row was no longer what we had read when we came to change it; the change was taken back."""
