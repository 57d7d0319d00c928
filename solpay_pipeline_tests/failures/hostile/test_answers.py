"""Whatever an endpoint answers, the client gives a value of the right shape or one of its own errors."""

import asyncio
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from solpay_pipeline.chain.rpc.answers import AccountsAt, Untold
from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.chain.rpc.errors import ChainError, MalformedAnswer, Unanswered
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.localnet.tools.seed import TOKEN
from solpay_pipeline_tests.failures.hostile.between import Between, Told, between
from solpay_pipeline_tests.failures.hostile.lies import lies
from solpay_pipeline_tests.shop import Shop, open_shop

EXAMPLES = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    # An example prints as it was; to shrink one that runs whole operations takes longer than to read it.
    phases=[Phase.explicit, Phase.generate],
    print_blob=False,
)
MOST = 2**64
AT = Commitment.CONFIRMED
CALLS = (
    "check_cluster",
    "genesis_hash",
    "latest_blockhash",
    "block_height",
    "slot",
    "block_time",
    "accounts",
    "statuses",
    "simulate",
    "send",
    "minimum_balance",
    "signature_fee",
    "recent_priority_fees",
    "history_page",
    "transaction",
    "token_accounts_by_owner",
    "balance",
    "is_healthy",
    "first_available_block",
)
NAMED: dict[str, dict[str, Any]] = {
    "accounts": {"commitment": AT},
    "simulate": {"commitment": AT},
    "send": {"preflight_commitment": AT},
    "history_page": {"commitment": AT},
    "transaction": {"commitment": AT},
}


@dataclass(frozen=True)
class Line:
    """A shop with one payment, and the proxy on the line to its node."""

    shop: Shop
    proxy: Between
    address: Pubkey
    account: Pubkey
    mint: Pubkey
    signature: str
    wire: bytes

    async def ask(self, *names: str) -> list[object]:
        """Calls by name; what each gave, where it gave anything."""
        options = RpcOptions(retry_window_seconds=0, timeout=10)
        arguments = self._arguments()
        found = []
        async with Rpc([Endpoint(SecretStr(self.proxy.url))], options) as rpc:
            for name in names:
                try:
                    found.append(await getattr(rpc, name)(*arguments.get(name, ()), **NAMED.get(name, {})))
                except ChainError as error:
                    # It becomes the one line that a command ends with.
                    str(error).encode()
                    if len(str(error).splitlines()) != 1:
                        raise AssertionError(f"more than a line: {error!r}") from error
        return found

    async def one(self, name: str) -> object:
        """One call, and whatever it raises."""
        async with Rpc([Endpoint(SecretStr(self.proxy.url))], RpcOptions(retry_window_seconds=0)) as rpc:
            return await getattr(rpc, name)(*self._arguments().get(name, ()), **NAMED.get(name, {}))

    def _arguments(self) -> dict[str, tuple[Any, ...]]:
        keys = [self.address, self.account, self.mint]
        payer = self.shop.deployment.fee_payer.pubkey
        nothing = transfer(TransferParams(from_pubkey=payer, to_pubkey=payer, lamports=0))
        blockhash, _ = self.shop.chain.latest_blockhash("confirmed")
        return {
            "check_cluster": ("localnet",),
            "latest_blockhash": (AT,),
            "block_height": (AT,),
            "slot": (AT,),
            "block_time": (1_000,),
            "accounts": (keys,),
            "statuses": ([self.signature, self.signature],),
            "simulate": (self.wire,),
            "send": (self.wire,),
            "minimum_balance": (165,),
            "signature_fee": (MessageV0.try_compile(payer, [nothing], [], blockhash), AT),
            "recent_priority_fees": (keys,),
            "history_page": (self.address,),
            "transaction": (self.signature,),
            "token_accounts_by_owner": (self.address, TOKEN, AT),
            "balance": (self.address, AT),
        }


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with open_shop(tmp_path_factory.mktemp("hostile")) as shop, between(shop.node.url) as proxy:
        shop.accept_sol()
        mint = shop.accept_mint()
        customer = shop.new_payment()
        shop.pay_sol(customer)
        signature = shop.pay_token(customer, mint)
        shop.finalize_chain()
        record = shop.chain.history.get(signature)
        assert record is not None
        account = shop.ata(customer.address, mint)
        yield Line(shop, proxy, customer.address, account, mint, signature, record.decoded.wire)


def _try_all(line: Line, examples: int) -> None:
    @settings(EXAMPLES, max_examples=examples)
    @given(lies, st.sampled_from(CALLS))
    def tried(lie: Any, call: str) -> None:
        line.proxy.begin(lie)
        for found in asyncio.run(line.ask(call)):
            assert_of_this_world(found)

    logging.disable(logging.CRITICAL)
    try:
        tried()
    finally:
        logging.disable(logging.NOTSET)
        line.proxy.be_honest()


def assert_of_this_world(found: Any) -> None:
    """Numbers are whole, not negative, and fit what we store them in."""
    if isinstance(found, bool) or found is None:
        return
    if isinstance(found, int):
        assert 0 <= found < MOST, found
    elif isinstance(found, tuple | list):
        for each in found:
            assert_of_this_world(each)
    elif hasattr(found, "__slots__") and hasattr(found, "__dataclass_fields__"):
        for name in found.__dataclass_fields__:
            if name == "slot" and getattr(found, name) is not None:
                assert getattr(found, name) < 2**63
            if not name.startswith("raw"):
                assert_of_this_world(getattr(found, name))


def test_an_honest_line_lets_every_call_through(line: Line) -> None:
    line.proxy.be_honest()
    # The transaction has landed before: sending it again is refused, and by that alone.
    assert len(asyncio.run(line.ask(*CALLS))) == len(CALLS) - 1


@pytest.mark.parametrize(
    ("call", "member", "value"),
    [
        ("transaction", '"blockTime":', "1763769600000000000"),
        ("history_page", '"blockTime":', "1763769600000000000"),
        ("block_time", '"result":', "1763769600000000000"),
        ("accounts", '"slot":', str(2**63)),
        ("statuses", '"slot":', str(2**64)),
        ("accounts", '"lamports":', str(2**64)),
        ("accounts", '"lamports":', "[" * 250 + "]" * 250),
    ],
)
def test_a_value_that_no_cluster_has_is_no_answer(line: Line, call: str, member: str, value: str) -> None:
    """Nanoseconds for seconds, numbers wider than any column, nesting deeper than pydantic reads."""
    line.proxy.begin(
        lambda _request, honest: Told(
            re.sub(member.encode() + rb"[^,}]+", lambda _match: (member + value).encode(), honest)
        )
    )
    try:
        found = asyncio.run(line.one(call))
    except (MalformedAnswer, Unanswered):
        return
    finally:
        line.proxy.be_honest()
    assert isinstance(found, AccountsAt)
    assert all(isinstance(one, Untold) for one in found.accounts)


def test_a_lying_endpoint_gets_values_of_this_world_or_an_error_of_ours(line: Line) -> None:
    _try_all(line, 40)


@pytest.mark.slow
def test_fifteen_hundred_lies_get_values_of_this_world_or_an_error_of_ours(line: Line) -> None:
    _try_all(line, 1_500)
