"""`solpay localnet`: the embedded chain behind a port."""

from pathlib import Path
from typing import Annotated

import typer

from solpay_pipeline.cli.common import refuse


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
