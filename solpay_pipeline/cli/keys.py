"""`solpay rotate-keys`."""

import json
from typing import Annotated

import typer

from solpay_pipeline.cli.common import DONE, NOT_ALL_DONE, refuse, settings_or_exit
from solpay_pipeline.wiring.environment import signing_settings


def rotate_keys(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be sealed anew.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Seal every wallet's keypair under the first of SOLPAY_WALLET_KEYS. May be stopped and run again at any time."""
    from solpay_pipeline.base.database_trouble import DatabaseTrouble
    from solpay_pipeline.operations.rotate import rotate_keys as rotate
    from solpay_pipeline.wiring.deployment import deployment_of

    settings = settings_or_exit(signing_settings)
    if not settings.wallet_keys:
        refuse("SOLPAY_WALLET_KEYS: is empty: keypairs are stored unencrypted, there is no key to change")
    try:
        deployment = deployment_of(settings)
    except DatabaseTrouble as problem:
        refuse(f"SOLPAY_DATABASE_URL: {problem}")
    try:
        rotation = rotate(deployment, dry_run=dry_run)
    finally:
        deployment.engine.dispose()
    if as_json:
        typer.echo(json.dumps(rotation.as_json(), indent=2))
    else:
        done = "would be sealed anew" if dry_run else "sealed anew"
        typer.echo(f"{rotation.renewed} {done}, {rotation.already} under the first key already")
        for reason in rotation.unreadable:
            typer.echo(reason)
        if rotation.changed_meanwhile:
            typer.echo(f"{rotation.changed_meanwhile} were changed by somebody else meanwhile: run it again")
    raise typer.Exit(DONE if rotation.is_complete else NOT_ALL_DONE)
