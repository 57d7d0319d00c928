"""`solpay events`: what waits in the outbox, and what may be done about it."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from solpay_pipeline.cli.common import DONE, NOT_ALL_DONE, open_ledger, refuse, run_job, settings_or_exit
from solpay_pipeline.ledger.event_log import EventRecord, EventState
from solpay_pipeline.wiring.choices import DeliverChoices, judging_of
from solpay_pipeline.wiring.environment import database_settings

events_app = typer.Typer(
    help="Events on their way to the webhook, the handlers and Django.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EventIds = Annotated[list[str], typer.Argument(help="Ids of events, evt_...", show_default=False)]


@events_app.command("deliver")
def deliver(
    max_runtime: Annotated[
        float | None, typer.Option("--max-runtime", help="Stop cleanly after so many seconds.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Deliver what is due, as the last step of every operation does."""
    settings = settings_or_exit(database_settings)
    choices = DeliverChoices() if max_runtime is None else DeliverChoices(max_runtime_seconds=max_runtime)
    run_job("deliver_events", choices, settings, judging_of(settings), as_json=as_json)


@events_app.command("list")
def list_events(
    state: Annotated[
        list[EventState] | None, typer.Option(help="Only these; may be given several times.")
    ] = None,
    payment_id: Annotated[int | None, typer.Option(help="Only events of this payment.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List events: by default what waits and what was given up."""
    from solpay_pipeline.base.database import reading
    from solpay_pipeline.ledger.event_log import records

    states = state or ([EventState.WAITING, EventState.DEAD] if payment_id is None else list(EventState))
    with open_ledger(settings_or_exit(database_settings)) as database, reading(database.engine) as connection:
        found = records(connection, states=states, payment_id=payment_id, limit=limit)
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in found], indent=2))
    elif not found:
        typer.echo("no events")
    for one in [] if as_json else found:
        typer.echo(_line(one))


@events_app.command("show")
def show_event(event_id: Annotated[str, typer.Argument(help="evt_...")]) -> None:
    """Show an event with what became of it at each place, as JSON."""
    from solpay_pipeline.base.database import reading
    from solpay_pipeline.ledger.event_log import records

    with open_ledger(settings_or_exit(database_settings)) as database, reading(database.engine) as connection:
        found = records(connection, event_ids=[event_id])
    if not found:
        typer.echo(f"no event {event_id}", err=True)
        raise typer.Exit(NOT_ALL_DONE)
    typer.echo(json.dumps(found[0].as_json(), indent=2))


@events_app.command("retry")
def retry(event_ids: EventIds = []) -> None:  # noqa: B006 - typer copies it
    """Make what waits or was given up due now, with all tries before it; without ids: everything."""
    from solpay_pipeline.ledger import event_log

    with open_ledger(settings_or_exit(database_settings)) as database, database.engine.begin() as connection:
        count = event_log.retry(connection, event_ids or None, datetime.now(UTC))
    typer.echo(f"{count} due now; `solpay events deliver` delivers")
    raise typer.Exit(NOT_ALL_DONE if event_ids and not count else DONE)


@events_app.command("replay")
def replay(
    since: Annotated[datetime, typer.Option("--from", help="Events from here on, UTC.")],
    until: Annotated[datetime | None, typer.Option("--until", help="Events before, UTC.")] = None,
    sink: Annotated[
        list[str] | None, typer.Option(help="Only webhook, python:package.module:function or django.")
    ] = None,
) -> None:
    """Have events of a time sent again, with the ids they had."""
    from solpay_pipeline.ledger import event_log
    from solpay_pipeline.wiring.sinks import sink_names

    settings = settings_or_exit(database_settings)
    with open_ledger(settings) as database:
        names = sink_names(settings)
        unknown = sorted(set(sink or []) - set(names))
        if unknown or not names:
            refuse(
                f"no such sink: {', '.join(unknown) or 'none is configured'}; there are: {', '.join(names) or 'none'}"
            )
        with database.engine.begin() as connection:
            count = event_log.replay(
                connection, sink or names, _aware(since), _aware(until) if until else None, datetime.now(UTC)
            )
    typer.echo(f"{count} events wait again; `solpay events deliver` delivers")


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _line(one: EventRecord) -> str:
    errors = "; ".join(
        f"{each.sink}: {each.attempts} tries, {each.last_error}" for each in one.deliveries if each.last_error
    )
    told = f"{one.event_id}  {one.created_at:%Y-%m-%d %H:%M:%S}  {one.kind:<16}  payment {one.payment_id}  {one.state}"
    return f"{told}  ({errors})" if errors else told
