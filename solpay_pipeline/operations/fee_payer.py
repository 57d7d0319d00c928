"""Who pays the fees, as far as a process without keys can know."""

from dataclasses import replace

from sqlalchemy import Connection

from solpay_pipeline.chain.sending.keyless import NOBODY, KeylessFeePayer
from solpay_pipeline.chain.sending.wire import message_of
from solpay_pipeline.ledger.transactions import newest_wire
from solpay_pipeline.operations.context.deployment import Deployment


def with_known_fee_payer(deployment: Deployment, connection: Connection) -> Deployment:
    """Where nothing names the fee payer, that of the ledger's newest transaction; rent is told from money by it."""
    if deployment.fee_payer.pubkey != NOBODY:
        return deployment
    wire = newest_wire(connection)
    if wire is None:
        return deployment
    return replace(deployment, fee_payer=KeylessFeePayer(message_of(wire).account_keys[0]))
