"""`solpay`: the operations from a shell, each as the Dagster job of its name, so that cron and UI do the same.

Exit codes: 0 all done; 1 something was set aside or failed; 2 bad settings or usage.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from solpay_pipeline.base.startup import leaving
from solpay_pipeline.cli.common import BAD_USAGE, DONE, NOT_ALL_DONE, refuse, run_job, settings_or_exit
from solpay_pipeline.cli.events import events_app
from solpay_pipeline.cli.keys import rotate_keys
from solpay_pipeline.cli.metrics import metrics
from solpay_pipeline.cli.report import report

app = typer.Typer(
    name="solpay",
    help="Keeps one-time Solana payment wallets healthy and moves the money home.",
    no_args_is_help=True,
    add_completion=False,
    # Frames hold keys; a traceback must not print them.
    pretty_exceptions_enable=False,
)

Sleep = Annotated[float, typer.Option("--sleep", help="Seconds between blockchain operations.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Plan and report; sign and write nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
PaymentIds = Annotated[
    list[int] | None, typer.Option("--payment-id", help="Only this payment; may be given several times.")
]
MaxRuntime = Annotated[
    float | None, typer.Option("--max-runtime", help="Stop cleanly after so many seconds.")
]
Discover = Annotated[
    bool, typer.Option("--discover-accounts", help="Also look for token accounts that no payment names.")
]
Tolerance = Annotated[
    str | None,
    typer.Option(
        "--underpayment-tolerance",
        help="Base units (1000) or a share of the price (0.5%); SOLPAY_UNDERPAYMENT_TOLERANCE where not given.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", help="At most so many initiated payments.")]
Forward = Annotated[
    bool, typer.Option("--forward-funds/--no-forward-funds", help="Sweep what was found paid.")
]
CloseWallets = Annotated[
    bool, typer.Option("--close-wallets/--no-close-wallets", help="Close the wallets of what expired.")
]
CheckHistory = Annotated[
    bool,
    typer.Option(
        "--check-history/--no-check-history",
        help="Ask every wallet's history before its payment expires; without, a zero balance is enough.",
    ),
]
WatchDays = Annotated[
    int | None,
    typer.Option(
        "--watch-days", help="Days for which expired wallets stay watched; SOLPAY_WATCH_DAYS where not given."
    ),
]
SweepHeld = Annotated[
    bool, typer.Option("--sweep-held-funds", help="Sweep short, late, unexpected money too.")
]


@app.command()
def expire(
    sleep: Sleep = 0.0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    payment_id: PaymentIds = None,
    max_runtime: MaxRuntime = None,
    discover_accounts: Discover = False,
    underpayment_tolerance: Tolerance = None,
    close_wallets: CloseWallets = True,
    check_history: CheckHistory = True,
    watch_days: WatchDays = None,
) -> None:
    """Expire unpaid payments after a look at the chain, and close their wallets."""
    common = _common(sleep, dry_run, payment_id, max_runtime, discover_accounts, underpayment_tolerance)
    own = {"close_wallets": close_wallets, "check_history": check_history, "watch_days": watch_days}
    run_job("expire", {"expire": common | own}, as_json)


@app.command()
def sweep(
    sleep: Sleep = 0.0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    payment_id: PaymentIds = None,
    max_runtime: MaxRuntime = None,
    discover_accounts: Discover = False,
    underpayment_tolerance: Tolerance = None,
    sweep_held_funds: SweepHeld = False,
) -> None:
    """Move all money of accepted payments to the receiver."""
    common = _common(sleep, dry_run, payment_id, max_runtime, discover_accounts, underpayment_tolerance)
    run_job("sweep", {"sweep": common | {"sweep_held_funds": sweep_held_funds}}, as_json)


@app.command()
def reclaim(
    sleep: Sleep = 0.0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    payment_id: PaymentIds = None,
    max_runtime: MaxRuntime = None,
    discover_accounts: Discover = False,
    underpayment_tolerance: Tolerance = None,
) -> None:
    """Close empty token accounts of expired payments; their rent goes to the fee payer."""
    common = _common(sleep, dry_run, payment_id, max_runtime, discover_accounts, underpayment_tolerance)
    run_job("reclaim", {"reclaim": common}, as_json)


@app.command()
def recheck(
    sleep: Sleep = 0.0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    payment_id: PaymentIds = None,
    max_runtime: MaxRuntime = None,
    discover_accounts: Discover = False,
    underpayment_tolerance: Tolerance = None,
    limit: Limit = 200,
    forward_funds: Forward = True,
) -> None:
    """Find payments that were made but never noticed."""
    common = _common(sleep, dry_run, payment_id, max_runtime, discover_accounts, underpayment_tolerance)
    run_job("recheck", {"recheck": common | {"limit": limit, "forward_funds": forward_funds}}, as_json)


@app.command()
def maintain(
    sleep: Sleep = 0.0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    payment_id: PaymentIds = None,
    max_runtime: MaxRuntime = None,
    discover_accounts: Discover = False,
    underpayment_tolerance: Tolerance = None,
    close_wallets: CloseWallets = True,
    check_history: CheckHistory = True,
    watch_days: WatchDays = None,
    sweep_held_funds: SweepHeld = False,
) -> None:
    """Expire, then sweep, then reclaim."""
    common = _common(sleep, dry_run, payment_id, max_runtime, discover_accounts, underpayment_tolerance)
    run_job(
        "maintain",
        {
            "expire": common
            | {"close_wallets": close_wallets, "check_history": check_history, "watch_days": watch_days},
            "sweep": common | {"sweep_held_funds": sweep_held_funds},
            "reclaim": common,
        },
        as_json,
    )


@app.command()
def init() -> None:
    """Create what is missing in the database: the pipeline's own tables, and the peer's where there is no Django."""
    from solpay_pipeline.base.database import DatabaseProblem, open_engine
    from solpay_pipeline.ledger import migrate
    from solpay_pipeline.records.schema import create_peer_tables
    from solpay_pipeline.records.tables import peer_tables

    settings = settings_or_exit()
    try:
        engine = open_engine(settings.database_url.get_secret_value())
    except DatabaseProblem as problem:
        refuse(f"SOLPAY_DATABASE_URL: {problem}")
    created = create_peer_tables(engine, peer_tables(settings.payment_table, settings.token_table))
    migrate.upgrade(engine)
    for name in created:
        typer.echo(f"created {name}")
    typer.echo("the pipeline's tables are up to date")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check settings, database, tables, endpoints, fee payer and receiver; change nothing."""
    from solpay_pipeline.cli.doctor import examine

    checks = examine(dict(os.environ))
    if as_json:
        typer.echo(json.dumps([check.as_json() for check in checks], indent=2))
    else:
        for check in checks:
            typer.echo(check.line())
    if any(check.is_setting and not check.passed for check in checks):
        raise typer.Exit(BAD_USAGE)
    raise typer.Exit(DONE if all(check.passed for check in checks) else NOT_ALL_DONE)


@app.command()
def localnet(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8899,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    slot_seconds: Annotated[float, typer.Option(help="Seconds a slot takes.")] = 0.4,
    seed: Annotated[int, typer.Option(help="Seed of the genesis, the customer and the faults.")] = 0,
    clock: Annotated[
        str, typer.Option(help="wall, or manual: slots move by localnet_advanceSlots only.")
    ] = "wall",
    state: Annotated[
        Path | None, typer.Option(help="File that the chain is kept in; it goes on from there next time.")
    ] = None,
    account: Annotated[
        list[Path] | None,
        typer.Option(
            help="File, or folder of files, from `solana account --output json`; may be given several times."
        ),
    ] = None,
    program: Annotated[
        list[str] | None, typer.Option(help="ADDRESS=FILE.so; may be given several times.")
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help='JSON file of faults: {"seed": 1, "faults": ["public", {"kind": …}]}.')
    ] = None,
    history_slots: Annotated[
        int | None, typer.Option(help="Forget transactions older than so many slots, to bound memory.")
    ] = None,
    lagging: Annotated[
        str | None,
        typer.Option(help="PORT:SLOTS: a second endpoint on the same chain, that many slots behind."),
    ] = None,
) -> None:
    """Serve the embedded chain: a real SVM behind Solana's JSON-RPC."""
    from solpay_pipeline.localnet.chain.config import ChainConfig, clock_name
    from solpay_pipeline.localnet.server.launch import Launch, second_endpoint
    from solpay_pipeline.localnet.server.server import serve

    launch = Launch(state, account or (), program or (), faults)
    try:
        second = None if lagging is None else second_endpoint(lagging)
        config = ChainConfig(slot_seconds, clock_name(clock), seed=seed, history_slots=history_slots)
        chain, fault_set = launch.chain(config), launch.fault_set(seed)
    except (OSError, ValueError) as error:
        refuse(str(error))
    typer.echo(
        f"embedded chain on http://{host}:{port}, a slot every {slot_seconds} s; stop with Ctrl-C", err=True
    )
    try:
        serve(chain, host, port, fault_set, state, lagging=second)
    except ValueError as error:
        refuse(str(error))
    except OSError as error:
        place = f"cannot write {error.filename}" if error.filename else f"cannot listen on {host}:{port}"
        refuse(f"{place}: {error.strerror}")


@app.command()
def demo(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="With --live: what runs beside it with the demo's settings, behind `--`."),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the demo lives; made anew, but for --live.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(help="The same seed makes the same shop.")] = 7,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Then let customers keep paying at random, until Ctrl-C or COMMAND's end. Goes on with a demo that is "
            "in the folder.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Play a shop with about 200 payments in every situation, run the jobs on it, and check the books."""
    if command and not live:
        refuse("a command runs beside `--live` only")
    from solpay_pipeline.demo.folder import NotADemo, is_played
    from solpay_pipeline.demo.play import play

    try:
        is_good = (live and is_played(folder)) or play(folder, seed, as_json=as_json)
    except NotADemo as refused:
        refuse(str(refused))
    if not live or not is_good:
        raise typer.Exit(DONE if is_good else NOT_ALL_DONE)
    from solpay_pipeline.demo.resumed import run_live

    try:
        code = run_live(folder, command or [], lambda line: typer.echo(line, err=True))
    except (OSError, ValueError) as error:
        refuse(str(error))
    raise typer.Exit(code)


app.command("rotate-keys")(rotate_keys)
app.command()(report)
app.command()(metrics)
app.add_typer(events_app, name="events")


def main() -> None:
    """The console command."""
    with leaving():
        app()


def _common(
    sleep: float,
    dry_run: bool,
    payment_ids: list[int] | None,
    max_runtime: float | None,
    discover_accounts: bool,
    underpayment_tolerance: str | None,
) -> dict[str, Any]:
    return {
        "sleep": sleep,
        "dry_run": dry_run,
        "payment_ids": payment_ids or [],
        "max_runtime_seconds": max_runtime,
        "discover_accounts": discover_accounts,
        "underpayment_tolerance": underpayment_tolerance,
    }
