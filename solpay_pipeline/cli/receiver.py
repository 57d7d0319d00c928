"""`solpay receiver`: where money may go. No key is needed."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from solpay_pipeline.cli.common import NOT_ALL_DONE, open_ledger, refuse, settings_or_exit
from solpay_pipeline.settings.kind import Unfit
from solpay_pipeline.settings.values import RECEIVER
from solpay_pipeline.wiring.environment import database_settings, operating_settings

if TYPE_CHECKING:
    from solders.pubkey import Pubkey

    from solpay_pipeline.ledger.installation import Receiver

receiver_app = typer.Typer(help="The addresses that money may be sent to.", no_args_is_help=True)

Result = TypeVar("Result")
Address = Annotated[str, typer.Argument(help="The merchant's wallet.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit trail.", show_default=False)]


@receiver_app.command("list")
def list_receivers(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every address that was ever allowed, the oldest first."""
    from solpay_pipeline.base.database import reading
    from solpay_pipeline.ledger import installation

    with open_ledger(settings_or_exit(database_settings)) as database, reading(database.engine) as connection:
        known = installation.receivers(connection)
    if as_json:
        typer.echo(json.dumps(_rows(known), indent=2))
        return
    for one in known:
        typer.echo(_line(one))
    if not known:
        typer.echo("no receiver is allowed yet; the first run allows that of the settings")


@receiver_app.command("allow")
def allow(
    address: Address,
    reason: Reason,
    now: Annotated[bool, typer.Option("--now", help="At once, without SOLPAY_RECEIVER_DELAY.")] = False,
) -> None:
    """Let money be sent to an address, after SOLPAY_RECEIVER_DELAY; where it is sent, SOLPAY_RECEIVER_ADDRESS says."""
    from solpay_pipeline.operations.receivers import allow_receiver

    receiver, settings, moment = _address(address, reason), settings_or_exit(operating_settings), _now()
    delay = timedelta(hours=0 if now else settings.receiver_delay)
    with open_ledger(settings) as database:
        since = _changed(lambda: allow_receiver(database.engine, receiver, reason, moment, delay=delay))
    typer.echo(f"{receiver} is allowed; money may be sent there from {since:%Y-%m-%d %H:%M} UTC on")


@receiver_app.command("revoke")
def revoke(address: Address, reason: Reason) -> None:
    """Send nothing to an address any more; what is in flight to it is only looked for."""
    from solpay_pipeline.operations.receivers import revoke_receiver

    receiver, settings, moment = _address(address, reason), settings_or_exit(operating_settings), _now()
    with open_ledger(settings) as database:
        _changed(lambda: revoke_receiver(database.engine, receiver, reason, moment))
    typer.echo(f"{receiver} is revoked; nothing is sent there any more")


@receiver_app.command("export")
def export() -> None:
    """Print cluster, receivers and audit head as JSON, to be kept outside the database."""
    from solpay_pipeline.base.database import reading
    from solpay_pipeline.ledger import audit, installation

    with open_ledger(settings_or_exit(database_settings)) as database, reading(database.engine) as connection:
        exported = {
            "cluster": installation.bound_cluster(connection),
            "receivers": _rows(installation.receivers(connection)),
            "audit_head": audit.head(connection),
        }
    typer.echo(json.dumps(exported, indent=2))


def _address(address: str, reason: str) -> "Pubkey":
    if not reason.strip():
        refuse("--reason is empty")
    try:
        return RECEIVER.read(address.strip())
    except Unfit as unfit:
        refuse(str(unfit))


def _changed(change: Callable[[], Result]) -> Result:
    from solpay_pipeline.ledger.audit import WroteAtOnce
    from solpay_pipeline.ledger.installation import NotAllowed

    try:
        return change()
    except (NotAllowed, WroteAtOnce) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(NOT_ALL_DONE) from None


def _rows(known: "Sequence[Receiver]") -> list[dict[str, object]]:
    return [one.as_json() for one in known]


def _line(one: "Receiver") -> str:
    if one.revoked_at is not None:
        return f"{one.address}  revoked at {one.revoked_at:%Y-%m-%d %H:%M} UTC"
    return f"{one.address}  allowed from {one.effective_at:%Y-%m-%d %H:%M} UTC on"


def _now() -> datetime:
    return datetime.now(UTC)
