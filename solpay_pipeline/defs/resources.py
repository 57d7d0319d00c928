"""Dagster resources: each lends one object that `wiring` makes of the environment of the code location.

None has a field, so that no run config can say where money goes, which endpoint is believed or whose key signs.
They open nothing before they are asked, and what they cannot open fails the op that asked, not the run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

import dagster as dg

from solpay_pipeline.settings.model import Settings
from solpay_pipeline.wiring import environment
from solpay_pipeline.wiring.chain import ChainAccess, chain_access
from solpay_pipeline.wiring.choices import Judging
from solpay_pipeline.wiring.database import Database, open_database
from solpay_pipeline.wiring.sinks import Sinks, sinks_of
from solpay_pipeline.wiring.wallets import Wallets, wallets_of

Lent = TypeVar("Lent")


class DatabaseResource(dg.ConfigurableResource[None]):
    """The merchant's database, with the names of the peer's tables in it."""

    def lend(self) -> Database:
        """An open database, the borrower's to close. Raises `BadSetting`, `DatabaseUnreachable`."""
        return open_database(environment.database_settings())


class SolanaRpcResource(dg.ConfigurableResource[None]):
    """The way to the chain: endpoints, cluster, commitments, limits and fees."""

    def lend(self) -> ChainAccess:
        """Raises `BadSetting`."""
        return chain_access(environment.chain_settings())


class WalletVaultResource(dg.ConfigurableResource[None]):
    """Keys, where this process has them, and the address that money goes to."""

    def lend(self) -> Wallets:
        """Raises `BadSetting`."""
        return wallets_of(environment.acting_settings())


class EventSinkResource(dg.ConfigurableResource[None]):
    """Where events are delivered to."""

    def lend(self) -> Sinks:
        """Raises `BadSetting`."""
        return sinks_of(environment.database_settings())


class OutputsResource(dg.ConfigurableIOManagerFactory[dg.IOManager]):
    """Keeps what ops hand on in the instance's own folder; Dagster's own lets run config name another."""

    def create_io_manager(self, context: dg.InitResourceContext) -> dg.IOManager:
        """One that pickles into the instance's storage."""
        if context.instance is None:
            raise dg.DagsterInvariantViolationError("outputs are kept in an instance, and there is none")
        return dg.FilesystemIOManager(base_dir=context.instance.storage_directory()).create_io_manager(
            context
        )


RESOURCES: Mapping[str, object] = {
    "database": DatabaseResource(),
    "rpc": SolanaRpcResource(),
    "vault": WalletVaultResource(),
    "events": EventSinkResource(),
    "io_manager": OutputsResource(),
}
"""Those of the code location."""


@dataclass(frozen=True, slots=True)
class Lending(Generic[Lent]):
    """Stands in for a resource and lends what `make` makes: for a shell that knows its settings, and for tests."""

    make: Callable[[], Lent]

    def lend(self) -> Lent:
        """Raises what `make` raises."""
        return self.make()


def lending(settings: Settings, judging: Judging) -> dict[str, Lending[Any]]:
    """Stand-ins that lend what these settings say, payments being judged as said here."""
    return {
        "database": Lending(partial(open_database, settings)),
        "rpc": Lending(lambda: replace(chain_access(settings), judging=judging)),
        "vault": Lending(partial(wallets_of, settings)),
        "events": Lending(partial(sinks_of, settings)),
    }
