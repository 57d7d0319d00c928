"""`solpay expire`, `sweep`, `reclaim`, `recheck`, `maintain`: each runs the Dagster job of its name."""

from typing import Any

import typer
from pydantic import BaseModel

from solpay_pipeline.cli.common import refuse, run_job, settings_or_exit
from solpay_pipeline.cli.options import as_command, judging_options_of
from solpay_pipeline.operations.context.options import BadOption
from solpay_pipeline.wiring.choices import CHOICES, judging_of
from solpay_pipeline.wiring.environment import acting_settings

_WORDS = {
    "expire": "Expire unpaid payments after a look at the chain, and close their wallets.",
    "sweep": "Move all money of accepted payments to the receiver.",
    "reclaim": "Close empty token accounts of expired payments; their rent goes to the fee payer.",
    "recheck": "Find payments that were made but never noticed.",
    "maintain": "Expire, then sweep, then reclaim.",
}


def add_operations(app: typer.Typer) -> None:
    """Give the app its five commands."""
    for name, words in _WORDS.items():
        app.command(name)(as_command(name, words, _run))


def _run(command: str, given: dict[str, Any]) -> None:
    settings = settings_or_exit(acting_settings)
    choices = CHOICES[command](**_fields_of(CHOICES[command], given))
    shell = judging_options_of(command)
    try:
        judging = shell(**_fields_of(shell, given)).judging(judging_of(settings))
        choices.options(judging)
    except BadOption as bad:
        refuse(str(bad))
    run_job(command, choices, settings, judging, as_json=given["as_json"])


def _fields_of(model: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in model.model_fields}
