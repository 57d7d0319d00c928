"""Money that left a wallet by no transaction of ours: by the peer's own commands, or by a hand.

Beside the peer money is safe by nature, since both send it to one receiver; but it is told, and where it went elsewhere
the wallet is set aside for a person.
"""

from solpay_pipeline.chain.reading.history import UNTOLD
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.snapshots import wallet_history


async def went_home(context: OperationContext, snapshot: Snapshot) -> Finding:
    """Tell where the money of an empty wallet went.

    `FOREIGN_MOVEMENT` where all of it went to the receiver; `FUNDS_ELSEWHERE`, which sets aside, where it did not or
    nothing explains it.
    """
    try:
        flows = (await wallet_history(context, snapshot)).flows
    except UNTOLD as error:
        words = f"the payment is accepted, but its wallet is empty, and its history cannot be read: {error}"
        return _finding(snapshot, FindingCode.FUNDS_ELSEWHERE, words)
    left = [flow for flow in flows if flow.amount < 0]
    if not left:
        return _finding(
            snapshot,
            FindingCode.FUNDS_ELSEWHERE,
            "the payment is accepted, but its wallet is empty and no transaction of the node's history explains it",
        )
    strangers = sorted(
        {flow.signature for flow in left if context.deployment.receiver not in flow.beneficiaries}
    )
    if strangers:
        words = f"its money did not go to the receiver but elsewhere, by {', '.join(strangers)}"
        return _finding(snapshot, FindingCode.FUNDS_ELSEWHERE, words)
    signatures = ", ".join(dict.fromkeys(flow.signature for flow in left))
    return _finding(
        snapshot,
        FindingCode.FOREIGN_MOVEMENT,
        f"it was swept to the receiver by transactions that are not ours: {signatures}",
    )


def _finding(snapshot: Snapshot, code: FindingCode, words: str) -> Finding:
    return Finding(code, snapshot.wallet.id, snapshot.payment.id, words)
