"""A span of whole UTC days, the only unit that reports are made for."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from solpay_pipeline.base.errors import NeedsOperator


class BadDay(NeedsOperator, ValueError):
    """No day, or two days in the wrong order; the text says which."""


@dataclass(frozen=True, slots=True)
class Window:
    """Everything from `start` on and before `end`; both aware, UTC."""

    start: datetime
    end: datetime

    def as_of(self, now: datetime) -> datetime:
        """The last moment of the window that has been."""
        return min(self.end, now)


def window_of(first: str, last: str | None = None) -> Window:
    """From the beginning of `first` to the end of `last`, as `2026-11-22`; of one day without `last`.

    Raises BadDay.
    """
    begins, ends = _day(first), _day(last or first)
    if ends < begins:
        raise BadDay(f"{last} is before {first}")
    start = datetime.combine(begins, time(), UTC)
    return Window(start, datetime.combine(ends, time(), UTC) + timedelta(days=1))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadDay(f"{text[:40]!r} is no day such as 2026-11-22")
