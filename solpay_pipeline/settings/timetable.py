"""When Dagster looks and runs by itself: settings of the code location, read once as it is loaded.

They are no settings of an operation, so no resource has them. A bad one is a `BadSetting`: the code location does not
load, and the UI shows the line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from solpay_pipeline.settings.model import BadSetting

CRON = "SOLPAY_MAINTENANCE_CRON"
TIMEZONE = "SOLPAY_MAINTENANCE_TIMEZONE"
REPORTS = "SOLPAY_REPORTS_CRON"
INTERVAL = "SOLPAY_RECHECK_INTERVAL"
PAGE = "SOLPAY_RECHECK_PAGE"
RUNNING = "SOLPAY_AUTOMATION_RUNNING"

# The daemon's own pace; a shorter one only makes ticks pile up.
_SHORTEST_INTERVAL = 5
_LONGEST_INTERVAL = 86_400

# With three accounts a payment this is already 150 calls between two looks at the clock.
_LARGEST_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Timetable:
    """`cron` is maintenance's, in the `timezone`; `reports` that of the reports, whose days are UTC's.

    `interval` is the seconds between two ticks of the recheck sensor, `page` the payments that it reads together.

    `is_running` tells whether schedules and sensors run from the start, until the operator says otherwise in the UI.
    """

    cron: str = "*/15 * * * *"
    timezone: str = "UTC"
    interval: int = 30
    page: int = 500
    is_running: bool = False
    # A few minutes past, when the maintenance of the full hour has usually ended.
    reports: str = "7 * * * *"


def read_timetable(environ: Mapping[str, str]) -> Timetable:
    """Read the variables above; an empty one counts as absent. Raises `BadSetting`."""
    names = (CRON, TIMEZONE, REPORTS, INTERVAL, PAGE, RUNNING)
    given = {name: environ.get(name, "").strip() for name in names}
    default = Timetable()
    timezone = given[TIMEZONE] or default.timezone
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadSetting(TIMEZONE, f"{timezone!r} is no time zone such as UTC or Europe/Berlin") from None
    running = given[RUNNING] or "false"
    if running not in ("true", "false"):
        raise BadSetting(RUNNING, f"{running!r} is neither true nor false")
    return Timetable(
        cron=_cron(CRON, given[CRON] or default.cron),
        timezone=timezone,
        interval=_whole(INTERVAL, given[INTERVAL], default.interval, _SHORTEST_INTERVAL, _LONGEST_INTERVAL),
        page=_whole(PAGE, given[PAGE], default.page, 1, _LARGEST_PAGE),
        is_running=running == "true",
        reports=_cron(REPORTS, given[REPORTS] or default.reports),
    )


def _cron(name: str, text: str) -> str:
    if text in (Timetable().cron, Timetable().reports):
        return text
    # A second's import, which a command of the shell need not wait for.
    from dagster._utils.schedules import is_valid_cron_schedule

    if not is_valid_cron_schedule(text):
        raise BadSetting(name, f"{text!r} is no cron expression of five fields")
    return text


def _whole(name: str, text: str, default: int, least: int, most: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
        raise BadSetting(name, f"{text[:20]!r} is no whole number from {least} to {most}")
    return int(text)
