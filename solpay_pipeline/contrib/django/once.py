"""Keeps the peer's services from telling a second time what has been told, in whatever process they run.

The peer reads a payment, asks the chain for a second or more, and then writes what it found, whatever the row says
by then. Where one of our jobs accepted or expired the payment meanwhile, its event is in the outbox, written with that
very change; where another request of the peer was faster, its signal is out. A ledger that cannot be asked keeps no
signal back.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connections, router, transaction

log = logging.getLogger(__name__)

Told = Callable[[Any, int], bool]
"""Asked with a database cursor and a payment's id, just before its signal is sent."""


def guard_signals() -> None:
    """Put the question before the peer's two signals. Doing it again changes nothing."""
    from django_solana_payments import signals

    for signal, is_told in (
        (signals.solana_payment_accepted, _is_acceptance_told),
        (signals.solana_payment_expired, _is_expiry_told),
    ):
        if "send_robust" not in vars(signal):
            signal.send_robust = _guarded(signal.send_robust, is_told)


def _is_acceptance_told(cursor: Any, payment_id: int) -> bool:
    """By the peer, or by our outbox; if by neither, it is from now on by the peer."""
    # Written before anything is read: SQLite lets no transaction that has read wait for another's write.
    cursor.execute(
        "INSERT INTO solpay_peer_signal (payment_id, sent_at) VALUES (%s, CURRENT_TIMESTAMP) "
        "ON CONFLICT DO NOTHING",
        [payment_id],
    )
    if cursor.rowcount == 0:
        return True
    # What the outbox tells of the peer's own acceptances leaves their signal to the peer.
    query = "SELECT 1 FROM solpay_acceptance WHERE payment_id = %s AND source = 'pipeline'"
    cursor.execute(query, [payment_id])
    return cursor.fetchone() is not None


def _is_expiry_told(cursor: Any, payment_id: int) -> bool:
    query = "SELECT 1 FROM solpay_event WHERE payment_id = %s AND kind = 'payment.expired'"
    cursor.execute(query, [payment_id])
    return cursor.fetchone() is not None


def _guarded(send: Callable[..., list[Any]], is_told: Told) -> Callable[..., list[Any]]:
    def send_robust(sender: Any, **named: Any) -> list[Any]:
        payment = named.get("payment")
        if payment is not None and _ask(is_told, payment):
            log.info("payment %s: its signal is not sent again", payment.pk)
            return []
        return send(sender=sender, **named)

    return send_robust


def _ask(is_told: Told, payment: Any) -> bool:
    using = router.db_for_write(type(payment))
    try:
        # A savepoint, should the peer be within a transaction: a missing table must not spoil it.
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            return is_told(cursor, payment.pk)
    except DatabaseError:
        log.exception("payment %s: solpay's ledger cannot be asked; the signal is sent", payment.pk)
        return False
