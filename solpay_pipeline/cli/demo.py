"""`solpay demo`: a shop in every situation, played through the real jobs, and on with `--live`."""

from pathlib import Path
from typing import Annotated

import typer

from solpay_pipeline.cli.common import DONE, NOT_ALL_DONE, refuse


def demo(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="With --live: what runs beside it with the demo's settings, behind `--`."),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the demo lives; made again, but for --live.")] = Path(
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the story as JSON.")] = False,
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
