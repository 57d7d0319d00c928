"""When things run by themselves: read with the same table, and by Dagster's own idea of a schedule."""

import pytest
from dagster._utils.schedules import is_valid_cron_schedule

from solpay_pipeline.settings.kind import Unfit
from solpay_pipeline.settings.model import BadSettings, Timetable, read_timetable
from solpay_pipeline.settings.values import CRON

CRONS = [
    "* * * * *",
    "*/15 * * * *",
    "7 * * * *",
    "0 3 * * *",
    "0 3 * * 1-5",
    "0 3 * * mon,wed",
    "0 3 1 jan *",
    "0 3 l * *",
    "0 3 * * fri#2",
    "0 3 * * 7",
    "5,35 0-6/2 * * *",
    "@daily",
    "@hourly",
    "h h * * *",
    "0 0 29 2 *",
    "0 0 29,30 2 *",
    "0 0 30 2 *",
    "0 0 31 2 *",
    "0 0 31 4 *",
    "0 0 15w * *",
    "0 0 3 * * *",
    "0 0 3 * * * 2030",
    "60 * * * *",
    "0 24 * * *",
    "* * * *",
    "*/0 * * * *",
    "1-0 * * * *",
    "hourly",
    "@reboot",
    "a b c d e",
    "- - - - -",
    "\x00 * * * *",
    "0\u00a03 * * *",
    "٣ * * * *",
    "9" * 5_000 + " * * * *",
]


@pytest.mark.parametrize("cron", CRONS, ids=lambda cron: ascii(cron)[:30])
def test_a_cron_expression_is_taken_where_dagster_takes_it(cron: str):
    try:
        is_taken = CRON.read(cron) == cron
    except Unfit:
        is_taken = False

    assert is_taken is is_valid_cron_schedule(cron)


def test_the_timetable_is_read_from_the_environment():
    assert read_timetable({}) == Timetable(
        cron="*/15 * * * *", timezone="UTC", interval=30, page=500, is_running=False, reports="7 * * * *"
    )
    assert read_timetable(
        {
            "SOLPAY_MAINTENANCE_CRON": "0 3 * * *",
            "SOLPAY_MAINTENANCE_TIMEZONE": "Europe/Berlin",
            "SOLPAY_RECHECK_INTERVAL": "60",
            "SOLPAY_RECHECK_PAGE": "1000",
            "SOLPAY_AUTOMATION_RUNNING": "true",
            "SOLPAY_REPORTS_CRON": "0 */6 * * *",
        }
    ) == Timetable(
        cron="0 3 * * *",
        timezone="Europe/Berlin",
        interval=60,
        page=1000,
        is_running=True,
        reports="0 */6 * * *",
    )


def test_all_that_is_wrong_with_a_timetable_is_reported_at_once():
    with pytest.raises(BadSettings) as refused:
        read_timetable(
            {
                "SOLPAY_MAINTENANCE_CRN": "0 3 * * *",
                "SOLPAY_MAINTENANCE_TIMEZONE": "Europe",
                "SOLPAY_RECHECK_INTERVAL": "1",
            }
        )

    assert str(refused.value).splitlines() == [
        "SOLPAY_MAINTENANCE_CRN: is no setting; did you mean SOLPAY_MAINTENANCE_CRON?",
        "SOLPAY_MAINTENANCE_TIMEZONE: 'Europe' is not a time zone such as UTC or Europe/Berlin",
        "SOLPAY_RECHECK_INTERVAL: '1' is not a whole number of seconds from 5 to 86400",
    ]


def test_settings_of_the_operations_are_none_of_the_timetables_business():
    assert read_timetable({"SOLPAY_CLUSTER": "moon", "SOLPAY_CLUSTR": "devnet"}) == Timetable()
