"""Expire: initiated payments whose time is over, after a look at the chain.

Nothing there: expired, and the wallet is closed as in reclaim. Paid in full and in time: accepted. Too little, too late
or another token: expired and held. Wallets of payments that are over stay watched for some days.
"""

from solpay_pipeline.operations import transitions
from solpay_pipeline.operations.errand import Errand
from solpay_pipeline.operations.judging import judge_expired
from solpay_pipeline.operations.paging import due_pages
from solpay_pipeline.operations.reclaim import Closer
from solpay_pipeline.operations.rounds import without_busy
from solpay_pipeline.operations.survey import survey
from solpay_pipeline.operations.watch import watch


async def expire(errand: Errand) -> None:
    """Expire all payments that are due, close their wallets where asked to, then watch."""
    closer = Closer.of(errand)
    for page in due_pages(errand):
        sights = await survey(
            errand,
            without_busy(errand, page),
            commitment=errand.merchant.acceptance,
            min_context_slot=errand.chain_slot,
        )
        # Where nobody has touched the wallet and nothing is there, balances tell all; the rest is judged by history.
        plain = [sight for sight in sights if sight.is_untouched and sight.holdings.is_empty]
        judged = [sight for sight in sights if not (sight.is_untouched and sight.holdings.is_empty)]
        expired = transitions.expire(errand, plain)
        expired += await judge_expired(errand, judged)
        if errand.options.close_wallets:
            await closer.close(expired)
    await watch(errand)
