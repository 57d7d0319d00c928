"""Seals every one-time wallet's keypair under the first of the wallet keys, while the shop runs.

Row by row, by compare-and-set, each keypair proven to be the same before and after; what is under the first key
already is left alone. Killed at any point, the next run goes on: a row is either as it was or done.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.records.changes import replace_sealed
from solpay_pipeline.records.queries import sealed_page
from solpay_pipeline.records.vault import KeyMismatch, KeyUnreadable, Sealed, WalletVault

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
        return asdict(self)


Rows = Callable[[int], Sequence[tuple[Sealed, str | None]]]
"""The next page of sealed keypairs behind a wallet's id, each with its payment's stored address."""

Replace = Callable[[Sealed, str], bool]
"""Puts a keypair that was sealed again in place of another; False where the row holds yet another by now."""


def rotate_keys(
    deployment: Deployment, *, dry_run: bool = False, progress: Callable[[int], None] = lambda _: None
) -> Rotation:
    """Seal again what is not under the first key; in a dry run only count. `progress` gets the number of rows done."""

    def rows(after: int) -> Sequence[tuple[Sealed, str | None]]:
        with reading(deployment.engine) as connection:
            return sealed_page(connection, deployment.tables, after_wallet_id=after, limit=_PAGE)

    def replace(sealed: Sealed, renewed: str) -> bool:
        with deployment.engine.begin() as connection:
            return replace_sealed(
                connection, deployment.tables, sealed, renewed=renewed, now=deployment.clock()
            )

    return rotate(deployment.vault, rows, (lambda *_: True) if dry_run else replace, progress)


def rotate(vault: WalletVault, rows: Rows, replace: Replace, progress: Callable[[int], None]) -> Rotation:
    """Seal again what is not under the first key of the vault."""
    rotation = Rotation()
    after = 0
    while page := rows(after):
        for sealed, address in page:
            _rotate(vault, sealed, address, replace, rotation)
            progress(1)
        after = page[-1][0].wallet_id
    return rotation


def _rotate(
    vault: WalletVault, sealed: Sealed, address: str | None, replace: Replace, rotation: Rotation
) -> None:
    try:
        renewed = vault.reseal(sealed, None if address is None else Pubkey.from_string(address))
    except (KeyUnreadable, KeyMismatch) as error:
        rotation.unreadable.append(str(error))
    except ValueError:
        rotation.unreadable.append(f"wallet {sealed.wallet_id}: its payment's address is not an address")
    else:
        if renewed is None:
            rotation.already += 1
            return
        is_ours = replace(sealed, renewed)
        rotation.renewed += is_ours
        rotation.changed_meanwhile += not is_ours
