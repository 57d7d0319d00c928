"""The environments of the roles, and every command of `solpay` with the least role that it needs."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import typer

from solpay_pipeline.cli.app import app
from solpay_pipeline.settings.model import SETTINGS, Need
from solpay_pipeline_tests.shop import Shop

KEYS = frozenset(row.name for row in SETTINGS if row.need is Need.SIGN)


class Role(StrEnum):
    """What a process holds."""

    WATCH = "watch"
    """No key, and a database user who may only read."""
    OPERATE = "operate"
    """No key."""
    SIGN = "sign"


WATCHING = {
    "report": ("report", "--json"),
    "metrics": ("metrics",),
    "doctor": ("doctor",),
    "events list": ("events", "list"),
    "receiver list": ("receiver", "list"),
    "receiver export": ("receiver", "export"),
    "audit list": ("audit", "list"),
    "audit verify": ("audit", "verify"),
    "expire": ("expire", "--dry-run"),
    "sweep": ("sweep", "--dry-run"),
    "reclaim": ("reclaim", "--dry-run"),
    "recheck": ("recheck", "--dry-run"),
    "maintain": ("maintain", "--dry-run"),
}
"""What only looks, with its arguments."""

OPERATING = {
    "init": ("init",),
    "expire": ("expire",),
    "sweep": ("sweep",),
    "reclaim": ("reclaim",),
    "recheck": ("recheck",),
    "maintain": ("maintain",),
    "events deliver": ("events", "deliver"),
    "events retry": ("events", "retry"),
    "events replay": ("events", "replay", "--from", "2026-01-01", "--sink", "webhook"),
}
"""What writes and signs nothing."""

ELSEWHERE = {
    "events show": "needs an event; with the test of what is told",
    "receiver allow": "command_line/test_receiver_and_audit.py",
    "receiver revoke": "command_line/test_receiver_and_audit.py",
    "rotate-keys": "is nothing without keys",
    "localnet": "has no settings",
    "demo": "makes its own settings",
}


def commands() -> set[str]:
    """The names of all commands that there are."""
    return set(_names(typer.main.get_command(app), ()))


def environment_of(shop: Shop, role: Role) -> dict[str, str]:
    """The settings of a process of this role, for a shop whose database tells the roles apart or not."""
    settings = shop.environment()
    return settings if role is Role.SIGN else {name: settings[name] for name in settings.keys() - KEYS}


def _names(command: Any, above: tuple[str, ...]) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(above)
        return
    for name, one in below.items():
        yield from _names(one, (*above, name))
