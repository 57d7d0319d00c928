"""Seals every one-time wallet's keypair under the first of the wallet keys, while the shop runs.

Row by row, by compare-and-set, each keypair proven to be the same before and after; what is under the first key
already is left alone. Killed at any point, the next run goes on: a row is either as it was or done.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.records.changes import replace_sealed
from solpay_pipeline.records.queries import sealed_page
from solpay_pipeline.records.vault import KeyMismatch, KeyUnreadable, Sealed

_PAGE = 200
"""Rows read at once; each of them is written in a transaction of its own."""


@dataclass(slots=True)
class Rotation:
    """What was found. `unreadable` are reasons that name the wallet; such rows are left as they are."""

    renewed: int = 0
    already: int = 0
    changed_meanwhile: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Every row that was there when it was looked at is under the first key."""
        return not self.unreadable and not self.changed_meanwhile

    def as_json(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "renewed": self.renewed,
            "already": self.already,
            "changed_meanwhile": self.changed_meanwhile,
            "unreadable": list(self.unreadable),
        }


def rotate_keys(
    deployment: Deployment, *, dry_run: bool = False, progress: Callable[[int], None] = lambda _: None
) -> Rotation:
    """Seal anew what is not under the first key. In a dry run only count; `progress` is told of rows done."""
    rotation = Rotation()
    after = 0
    while True:
        with reading(deployment.engine) as connection:
            page = sealed_page(connection, deployment.tables, after_wallet_id=after, limit=_PAGE)
        if not page:
            return rotation
        for sealed, address in page:
            _rotate(deployment, sealed, address, rotation, dry_run=dry_run)
            progress(1)
        after = page[-1][0].wallet_id


def _rotate(
    deployment: Deployment, sealed: Sealed, address: str | None, rotation: Rotation, *, dry_run: bool
) -> None:
    try:
        renewed = deployment.vault.reseal(sealed, None if address is None else Pubkey.from_string(address))
    except (KeyUnreadable, KeyMismatch) as error:
        rotation.unreadable.append(str(error))
        return
    except ValueError:
        rotation.unreadable.append(f"wallet {sealed.wallet_id}: its payment's address is not an address")
        return
    if renewed is None:
        rotation.already += 1
    elif dry_run:
        rotation.renewed += 1
    else:
        with deployment.engine.begin() as connection:
            is_ours = replace_sealed(
                connection, deployment.tables, sealed, renewed=renewed, now=deployment.clock()
            )
        rotation.renewed += is_ours
        rotation.changed_meanwhile += not is_ours
