"""A merchant's Django project that has switched to us: our management commands, our `solpay` beside it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from solpay_pipeline_tests.beside_the_peer.peer.kit import Peer


@dataclass(frozen=True)
class Project(Peer):
    """`told` is the file that its signal receivers write to; `more` are further environment variables."""

    told: Path = Path("told")
    settings_module: str = "solpay_pipeline_tests.beside_the_peer.drop_in.settings"
    more: Mapping[str, str] = field(default_factory=dict)

    def lines(self, who: str | None = None) -> list[dict[str, Any]]:
        lines = (
            [json.loads(line) for line in self.told.read_text().splitlines()] if self.told.exists() else []
        )
        return [line for line in lines if who is None or line["who"] == who]

    def break_mail(self) -> None:
        Path(f"{self.told}.broken").touch()

    def mend_mail(self) -> None:
        Path(f"{self.told}.broken").unlink()

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`manage.py ...`, whatever its exit code."""
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=self.timeout,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        environment = {
            name: value for name, value in super()._environment().items() if not name.startswith("SOLPAY_")
        }
        return environment | {
            "DJANGO_SETTINGS_MODULE": self.settings_module,
            "DROP_IN_TOLD": str(self.told),
            **self.more,
        }
