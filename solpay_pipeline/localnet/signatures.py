"""Are a transaction's signatures right? By libsodium, in two threads where there are several.

It turns away what a validator's strict verification does (RFC 8032, no points of small order), is half as slow as
solders' and lets go of the interpreter's lock meanwhile, so that a second core takes half of the work.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError
from solders.message import to_bytes_versioned
from solders.transaction import VersionedTransaction

_ALONE = 2
"""So many are verified faster than a second thread is woken."""

_second_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="solpay-signatures")


def all_right(transaction: VersionedTransaction) -> bool:
    """Whether each required signer has signed just these bytes. The transaction is sane: it has as many signatures
    as its header asks for.
    """
    message = transaction.message
    signed = to_bytes_versioned(message)
    pairs = [
        (bytes(signature) + signed, bytes(signer))
        for signature, signer in zip(transaction.signatures, message.account_keys, strict=False)
    ]
    if len(pairs) <= _ALONE:
        return _verified(pairs)
    half = len(pairs) // 2
    others = _second_thread.submit(_verified, pairs[:half])
    return _verified(pairs[half:]) & others.result()


def _verified(pairs: Sequence[tuple[bytes, bytes]]) -> bool:
    try:
        for signature_and_message, signer in pairs:
            crypto_sign_open(signature_and_message, signer)
    except BadSignatureError:
        return False
    return True
