"""Reports as assets, one partition for each UTC day: numbers that Dagster plots over time, a table, and a picture.

They read the tables, and of the chain the mints' decimals alone; making one again changes nothing but the report.
Pandas and matplotlib are imported when a report is made: they are an extra, and take a second that no command of the
shell should wait for.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime

import dagster as dg

from solpay_pipeline.base.database import reading
from solpay_pipeline.defs.failures import NO_RERUN, failing_well
from solpay_pipeline.defs.jobs import by_day
from solpay_pipeline.defs.resources import DatabaseResource, SolanaRpcResource
from solpay_pipeline.operations.context.deployment import WatchedShop
from solpay_pipeline.reports.decimals import decimals_of
from solpay_pipeline.reports.extra import needing_reports
from solpay_pipeline.wiring.deployment import watched

GROUP = "reports"


def _declared(name: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        group_name=GROUP,
        kinds={"pandas"},
        partitions_def=by_day,
        config_schema={},
        description=description,
    )
    def report(
        context: dg.AssetExecutionContext,
        database: DatabaseResource,
        rpc: SolanaRpcResource,
    ) -> dg.MaterializeResult[None]:
        with failing_well(), needing_reports(), closing(database.lend()) as opened:
            return _report(watched(opened, rpc.lend()), name, context.partition_key)

    return report


settlements = _declared(
    "settlements",
    "Per mint, in base units: what was accepted, swept, withheld, held and set aside that day, rent that came back, "
    "and fees.",
)
open_payments = _declared(
    "open_payments",
    "How many payments were open at the end of the day (of today: now), by age, and how many of them past their time.",
)
wallet_states = _declared(
    "wallet_states",
    "What became of the wallets of payments created that day, beside all wallets of the shop.",
)
operation_costs = _declared(
    "operation_costs",
    "What each operation sent that day, what it cost in fees, and the rent that came back, in lamports.",
)

REPORT_ASSETS = [settlements, open_payments, wallet_states, operation_costs]

reports_job = dg.define_asset_job(
    "reports_job",
    selection=dg.AssetSelection.groups(GROUP),
    executor_def=dg.in_process_executor,
    tags=NO_RERUN,
    description="Make a day's reports and run their checks. Reads only: no key is used, no row of the shop changed.",
)


def _report(shop: WatchedShop, name: str, day: str) -> dg.MaterializeResult[None]:
    from solpay_pipeline.reports import plots
    from solpay_pipeline.reports.report import build_frame, records_of, shown_rows, totals_of
    from solpay_pipeline.reports.settlements import known_mints
    from solpay_pipeline.reports.window import window_of

    draw = {
        "settlements": plots.plot_settlements,
        "open_payments": plots.plot_open_payments,
        "wallet_states": plots.plot_wallet_states,
        "operation_costs": plots.plot_operation_costs,
    }[name]
    with reading(shop.engine) as connection:
        mints = known_mints(connection, shop.tables) if name == "settlements" else []
    decimals = asyncio.run(decimals_of(shop, mints))
    with reading(shop.engine) as connection:
        frame = build_frame(name, connection, shop.tables, window_of(day), decimals, datetime.now(UTC))
    key = str(frame.columns[0])
    return dg.MaterializeResult(
        metadata={
            "plot": dg.MetadataValue.md(_picture(name, draw(frame))),
            "shown": dg.MetadataValue.md(_markdown(shown_rows(frame))),
            "table": _table(records_of(frame)),
            **{label: dg.MetadataValue.int(total) for label, total in totals_of(frame, key).items()},
        }
    )


def _picture(name: str, png: bytes) -> str:
    return f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _markdown(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return "nothing"
    names = list(rows[0])
    lines = [" | ".join(names), " | ".join("---" for _ in names)]
    lines += [" | ".join(row.values()) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _table(rows: Sequence[Mapping[str, object]]) -> dg.MetadataValue:
    names = list(rows[0]) if rows else []
    records = [dg.TableRecord({name: str(row[name]) for name in names}) for row in rows]
    return dg.MetadataValue.table(
        records, schema=dg.TableSchema([dg.TableColumn(name, "string") for name in names])
    )
