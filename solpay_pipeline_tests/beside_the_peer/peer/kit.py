"""The near side of the peer's process: migrations, tokens, payments, its four commands, and what it sees."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

EXPIRE = "close_expired_solana_payments_with_wallets"
SWEEP = "send_solana_payments_from_one_time_wallets"
RECLAIM = "close_expired_one_time_wallets_and_reclaim_funds"
RECHECK = "recheck_initiated_solana_payments"

NOWHERE = "http://127.0.0.1:9"
"""An RPC URL for what never asks the chain."""

_ROOT = Path(__file__).resolve().parents[3]


class PeerFailed(Exception):
    """The peer's process ended with an error; the text is the end of what it printed."""


@dataclass(frozen=True)
class Peer:
    """One merchant's Django application, by its database and settings.

    `fee_payer` is a keypair's JSON array as text; `wallet_key` a Fernet key, or None for plain text keypairs. `apps` and
    `models` name further Django apps and the peer's model settings, for a merchant with models of his own.
    """

    database_url: str
    receiver: str
    fee_payer: str = field(repr=False)
    rpc_url: str = NOWHERE
    wallet_key: str | None = field(default=None, repr=False)
    validity_seconds: int = 1800
    apps: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 180

    def migrate(self) -> None:
        self._django("migrate", "-v0")

    def fake_initial(self) -> str:
        """`migrate --fake-initial`: adopt tables that are there already."""
        return self._django("migrate", "--fake-initial", "--no-color").stdout

    def set_up(
        self, *, native_price: str | None = None, spl_prices: Mapping[str, str] | None = None
    ) -> list[int]:
        """Migrate, then add a SOL token and one for each mint, all in one process; returns the tokens' ids."""
        tokens = [_native(native_price, "SOL")] if native_price else []
        for place, (mint, price) in enumerate((spl_prices or {}).items()):
            tokens.append(_spl(mint, price, f"SPL{place}"))
        return self._inside("set_up", tokens)

    def create_tokens(self, tokens: Sequence[Mapping[str, Any]]) -> list[int]:
        """Field values of the token model; `payment_crypto_price` as text. Returns ids."""
        return self._inside("create_tokens", [dict(token) for token in tokens])

    def create_native_token(self, price: str, symbol: str = "SOL") -> int:
        return self.create_tokens([_native(price, symbol)])[0]

    def create_spl_token(self, mint: str, price: str, symbol: str = "USDC") -> int:
        return self.create_tokens([_spl(mint, price, symbol)])[0]

    def create_payments(self, count: int = 1) -> list[dict[str, Any]]:
        """Payments by the peer's own service, which makes token accounts on chain, each as `states` shows it."""
        return self._inside("create_payments", count)

    def command(self, name: str, *arguments: str) -> str:
        """Run one of the four commands; returns what it printed."""
        return self._django(name, *arguments).stdout

    def start_command(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """Run one of the four commands beside the test, to be waited for or killed by it."""
        return subprocess.Popen(
            [sys.executable, "-m", "django", name, *arguments],
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def states(self) -> dict[str, Any]:
        """All `payments` and `wallets` by Django's ORM."""
        return self._inside("states", None)

    def addresses(self) -> dict[int, str]:
        """Wallet id to address, by the peer's own decryption."""
        return {int(wallet_id): address for wallet_id, address in self._inside("addresses", None).items()}

    def token_prices(self) -> dict[int, str]:
        """Token id to its price, as Django reads it."""
        return {int(token_id): price for token_id, price in self._inside("token_prices", None).items()}

    def expire_now(self, payment_ids: Sequence[int]) -> int:
        """Move the expiration of these payments a second into the past."""
        return self._inside("expire_now", list(payment_ids))

    def _inside(self, task: str, argument: Any) -> Any:
        run = self._run(
            ["-m", "solpay_pipeline_tests.beside_the_peer.peer.inside", task, json.dumps(argument)]
        )
        return json.loads(run.stdout.rstrip().splitlines()[-1])

    def _django(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(["-m", "django", *arguments])

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        run = subprocess.run(
            [sys.executable, *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=self.timeout,
            check=False,
        )
        if run.returncode != 0:
            raise PeerFailed(f"{' '.join(arguments[1:3])} ended with {run.returncode}: {run.stderr[-3000:]}")
        return run

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        return {
            **os.environ,
            "PYTHONPATH": path,
            "DJANGO_SETTINGS_MODULE": "solpay_pipeline.testing.peer_settings",
            "PEER_DATABASE": json.dumps(_django_database(self.database_url)),
            "PEER_RPC_URL": self.rpc_url,
            "PEER_RECEIVER": self.receiver,
            "PEER_FEE_PAYER": self.fee_payer,
            "PEER_WALLET_KEY": self.wallet_key or "",
            "PEER_VALIDITY_SECONDS": str(self.validity_seconds),
            "PEER_APPS": json.dumps(self.apps),
            "PEER_MODELS": json.dumps(dict(self.models)),
        }


def _native(price: str, symbol: str) -> dict[str, str]:
    return {"name": symbol, "symbol": symbol, "token_type": "NATIVE", "payment_crypto_price": price}


def _spl(mint: str, price: str, symbol: str) -> dict[str, str]:
    return {
        "name": symbol,
        "symbol": symbol,
        "token_type": "SPL",
        "mint_address": mint,
        "payment_crypto_price": price,
    }


def _django_database(database_url: str) -> dict[str, Any]:
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": url.database,
            "OPTIONS": {"timeout": 30},
        }
    host = url.host or url.query.get("host", "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.database,
        "USER": url.username or "",
        "PASSWORD": url.password or "",
        "HOST": host,
        "PORT": str(url.port or ""),
    }
