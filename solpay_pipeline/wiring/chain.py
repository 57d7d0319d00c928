"""The way to the chain, and how it is to be used, as the settings say."""

from dataclasses import dataclass, replace

from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.chain.rpc.options import LONGEST_WAIT_SECONDS
from solpay_pipeline.ledger.spending import SpendingLimits
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.settings.headers import SecretHeaders
from solpay_pipeline.settings.model import Settings
from solpay_pipeline.settings.table import needed
from solpay_pipeline.wiring.choices import Judging, judging_of

RETRY_WINDOW_SECONDS = 30.0
"""How long one RPC call is tried again; what outlasts it is for `operations/persistence.py`."""


@dataclass(frozen=True, slots=True)
class ChainAccess:
    """Endpoints of one cluster and the manners to be kept with them.

    `commitment`, `acceptance` and `max_priority_fee` (lamports a transaction) are those of `Deployment`; `longest_wait`
    is what an endpoint may ask us to wait, in seconds.
    """

    endpoints: tuple[Endpoint, ...]
    options: RpcOptions
    cluster: str
    commitment: Commitment
    acceptance: Commitment
    transaction_version: int
    max_priority_fee: int
    spending: SpendingLimits
    judging: Judging
    longest_wait: float = LONGEST_WAIT_SECONDS

    def open_rpc(self, sleep: float) -> Rpc:
        """A client that pauses for `sleep` seconds between blockchain operations; to be used by `async with`."""
        return Rpc(self.endpoints, replace(self.options, sleep=sleep))

    def retrying_for(self, seconds: float) -> "ChainAccess":
        """The same way for somebody in a hurry: a call that fails is tried again for so many seconds at most."""
        window = min(seconds, self.options.retry_window_seconds)
        return replace(self, options=replace(self.options, retry_window_seconds=window))


def chain_access(settings: Settings) -> ChainAccess:
    """Nothing is opened or asked yet."""
    headers = settings.rpc_headers or SecretHeaders()
    return ChainAccess(
        endpoints=tuple(
            Endpoint(url, headers.of(url)) for url in needed(settings.rpc_urls, "SOLPAY_RPC_URLS")
        ),
        options=RpcOptions(
            timeout=settings.rpc_timeout,
            rate_limit=settings.rpc_rate_limit,
            proxy=settings.rpc_proxy,
            retry_window_seconds=RETRY_WINDOW_SECONDS,
        ),
        cluster=needed(settings.cluster, "SOLPAY_CLUSTER"),
        commitment=settings.commitment,
        acceptance=settings.acceptance_commitment,
        transaction_version=settings.transaction_version,
        max_priority_fee=settings.max_priority_fee,
        spending=SpendingLimits(settings.max_spent_per_run, settings.max_spent_per_day),
        judging=judging_of(settings),
        longest_wait=settings.rpc_longest_wait,
    )
