"""Whether a payment's address is its wallet's: a shop can edit the one, and the keypair in the other proves it.

At an address that is not the wallet's nothing is credited, since the money there may be anybody's, and nothing expires,
since the customer may have paid to the address that he saw.

A process without keys can prove this only where keypairs are stored in plain text; else it takes the rows' word for
it. A process with keys proves it before anything moves, so that what was credited so is found, and sent nowhere.
"""

from collections.abc import Sequence

from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.records.vault import KeyMismatch, KeyUnreadable, Sealed


def with_own_address(context: OperationContext, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """Those whose payment's address is not known to be another's; the others are set aside."""
    if not snapshots:
        return []
    sealed = context.records.sealed_keypairs([one.wallet.id for one in snapshots])
    own: list[Snapshot] = []
    findings: list[Finding] = []
    for snapshot in snapshots:
        reason = _mismatch(context, snapshot, sealed.get(snapshot.wallet.id))
        if reason is None:
            own.append(snapshot)
        else:
            findings.append(Finding.about(snapshot.wallet, FindingCode.KEY_MISMATCH, reason))
    context.books.note(findings)
    return own


def _mismatch(context: OperationContext, snapshot: Snapshot, sealed: Sealed | None) -> str | None:
    """Why the address is not the wallet's. A keypair that no key opens proves nothing."""
    if sealed is not None:
        try:
            context.deployment.vault.open(sealed, snapshot.payment.address)
        except KeyMismatch as error:
            return str(error)
        except KeyUnreadable:
            pass
    return None
