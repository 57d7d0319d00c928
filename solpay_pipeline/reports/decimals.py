"""The decimals of mints, the one thing of a report that only the chain knows."""

from collections.abc import Sequence

from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.accounts import read_mints
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.operations.context.deployment import WatchedShop


async def decimals_of(shop: WatchedShop, mints: Sequence[str]) -> dict[str, int]:
    """Decimals by mint, read from the chain; a mint that is none is left out. Raises the chain's errors."""
    if not mints:
        return {}
    async with shop.open_rpc(0.0) as client:
        await client.check_cluster(shop.cluster)
        wanted = [Pubkey.from_string(mint) for mint in mints]
        found = await read_mints(client, wanted, commitment=shop.commitment)
    return {str(address): mint.decimals for address, mint in found.items() if isinstance(mint, Mint)}
