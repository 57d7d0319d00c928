"""Dagster resources: thin, cheap to open, and free of secrets in what the UI shows.

Each field may be set in the Launchpad; left empty it is read from its environment variable when the run needs it.
Together the four give the settings, which are parsed and checked in one place.
"""

import os
from collections.abc import Mapping

import dagster as dg
from pydantic import Field

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.chain.sending.signing import FeePayerSigner, RemoteSigner
from solpay_pipeline.ledger.spending import SpendingLimits
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.records.tables import peer_tables
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline.settings.model import SETTINGS, BadSetting, Settings, needed

RETRY_WINDOW_SECONDS = 30.0
"""How long one RPC call is tried again; what outlasts it is for the op's retry policy."""

_DESCRIPTIONS = {spec.name: spec.description for spec in SETTINGS}


def _field(name: str) -> str | None:
    """A text field that stands for one environment variable."""
    described = f"{_DESCRIPTIONS[name]} Left empty: the environment variable {name}."
    return Field(default=None, description=described)


class _SettingsResource(dg.ConfigurableResource[None]):
    """A resource whose fields are settings, named as their variables without `SOLPAY_`, in lower case."""

    def given(self) -> dict[str, str]:
        """What was set here, by the variable's name."""
        fields = {f"SOLPAY_{name.upper()}": getattr(self, name) for name in type(self).model_fields}
        return {name: str(value) for name, value in fields.items() if value is not None}


class DatabaseResource(_SettingsResource):
    """The merchant's database, with the names of the peer's tables in it."""

    database_url: str | None = _field("SOLPAY_DATABASE_URL")
    payment_table: str | None = _field("SOLPAY_PAYMENT_TABLE")
    token_table: str | None = _field("SOLPAY_TOKEN_TABLE")


class SolanaRpcResource(_SettingsResource):
    """The way to the chain: endpoints, cluster, commitments, limits and fees."""

    rpc_urls: str | None = _field("SOLPAY_RPC_URLS")
    cluster: str | None = _field("SOLPAY_CLUSTER")
    commitment: str | None = _field("SOLPAY_COMMITMENT")
    acceptance_commitment: str | None = _field("SOLPAY_ACCEPTANCE_COMMITMENT")
    rpc_timeout: str | None = _field("SOLPAY_RPC_TIMEOUT")
    rpc_rate_limit: str | None = _field("SOLPAY_RPC_RATE_LIMIT")
    rpc_headers: str | None = _field("SOLPAY_RPC_HEADERS")
    rpc_proxy: str | None = _field("SOLPAY_RPC_PROXY")
    transaction_version: str | None = _field("SOLPAY_TRANSACTION_VERSION")
    max_priority_fee: str | None = _field("SOLPAY_MAX_PRIORITY_FEE")
    underpayment_tolerance: str | None = _field("SOLPAY_UNDERPAYMENT_TOLERANCE")
    watch_days: str | None = _field("SOLPAY_WATCH_DAYS")
    max_spent_per_run: str | None = _field("SOLPAY_MAX_SPENT_PER_RUN")
    max_spent_per_day: str | None = _field("SOLPAY_MAX_SPENT_PER_DAY")


class WalletVaultResource(_SettingsResource):
    """Keys and the addresses that money goes to. Prefer the environment: what stands in run config is stored."""

    wallet_keys: str | None = _field("SOLPAY_WALLET_KEYS")
    fee_payer_keypair: str | None = _field("SOLPAY_FEE_PAYER_KEYPAIR")
    fee_payer_signer: str | None = _field("SOLPAY_FEE_PAYER_SIGNER")
    fee_payer_address: str | None = _field("SOLPAY_FEE_PAYER_ADDRESS")
    fee_payer_signer_token: str | None = _field("SOLPAY_FEE_PAYER_SIGNER_TOKEN")
    receiver_address: str | None = _field("SOLPAY_RECEIVER_ADDRESS")


class EventSinkResource(_SettingsResource):
    """Where events are delivered to."""

    webhook_url: str | None = _field("SOLPAY_WEBHOOK_URL")
    webhook_secret: str | None = _field("SOLPAY_WEBHOOK_SECRET")
    webhook_allow_private: str | None = _field("SOLPAY_WEBHOOK_ALLOW_PRIVATE")
    event_tries: str | None = _field("SOLPAY_EVENT_TRIES")
    event_handlers: str | None = _field("SOLPAY_EVENT_HANDLERS")
    django_settings: str | None = _field("SOLPAY_DJANGO_SETTINGS")


def settings_of(*resources: _SettingsResource, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings: what the resources give, and the environment for the rest. Raises `BadSetting`."""
    values = dict(os.environ if environ is None else environ)
    for resource in resources:
        values.update(resource.given())
    return Settings.from_environment(values)


def deployment_of(settings: Settings, *, retry_window_seconds: float | None = None) -> Deployment:
    """Open the database and put everything together; the chain is opened by each operation.

    Raises `DatabaseUnreachable`.
    """
    endpoints = tuple(Endpoint(url) for url in needed(settings.rpc_urls, "SOLPAY_RPC_URLS"))

    def open_rpc(sleep: float) -> Rpc:
        options = RpcOptions(
            timeout=settings.rpc_timeout,
            rate_limit=settings.rpc_rate_limit,
            headers=dict(settings.rpc_headers),
            proxy=settings.rpc_proxy,
            sleep=sleep,
            retry_window_seconds=retry_window_seconds or RETRY_WINDOW_SECONDS,
        )
        return Rpc(endpoints, options)

    wallet_keys = needed(settings.wallet_keys, "SOLPAY_WALLET_KEYS")
    return Deployment(
        engine=open_engine(settings.database_url.get_secret_value()),
        tables=peer_tables(settings.payment_table, settings.token_table),
        vault=WalletVault(wallet_keys, encrypted=bool(wallet_keys)),
        fee_payer=_fee_payer(settings),
        receiver=needed(settings.receiver_address, "SOLPAY_RECEIVER_ADDRESS"),
        cluster=needed(settings.cluster, "SOLPAY_CLUSTER"),
        open_rpc=open_rpc,
        commitment=settings.commitment,
        acceptance=settings.acceptance_commitment,
        transaction_version=settings.transaction_version,
        max_priority_fee=settings.max_priority_fee,
        spending=SpendingLimits(settings.max_spent_per_run, settings.max_spent_per_day),
    )


def _fee_payer(settings: Settings) -> FeePayerSigner:
    if settings.fee_payer is not None:
        return settings.fee_payer
    place, address = settings.fee_payer_signer, settings.fee_payer_address
    if place is None or address is None:
        raise BadSetting("SOLPAY_FEE_PAYER_KEYPAIR", "is missing")
    return RemoteSigner(place, address, settings.fee_payer_signer_token)
