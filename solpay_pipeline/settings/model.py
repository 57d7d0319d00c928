"""The table of settings: its rows, checked together and frozen. A new setting is one field here.

All that is missing, bad or misspelt is reported at once as `BadSettings`, one line each, which never shows a secret.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import SecretStr
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.options import LONGEST_WAIT_SECONDS, TIMEOUT_SECONDS
from solpay_pipeline.chain.sending.signing import KeyPlace
from solpay_pipeline.events.message import BadSink
from solpay_pipeline.events.sinks.callables import HANDLER_SECONDS
from solpay_pipeline.lifecycle.judgement import EXACT, Tolerance
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.operations.context.options import WATCH_DAYS
from solpay_pipeline.records.tables import PAYMENT_TABLE, TOKEN_TABLE
from solpay_pipeline.settings import secret, values
from solpay_pipeline.settings.contradictions import contradictions
from solpay_pipeline.settings.from_django import DATABASE_URL, DJANGO_SETTINGS, django_defaults
from solpay_pipeline.settings.headers import HEADERS, SecretHeaders
from solpay_pipeline.settings.kind import Kind, Unfit, list_of, one_of, whole
from solpay_pipeline.settings.misspelt import misspelt
from solpay_pipeline.settings.secret import SecretKeypair
from solpay_pipeline.settings.table import (
    PREFIX,
    BadSetting,
    BadSettings,
    Given,
    Need,
    Setting,
    Table,
    needed,
    read_rows,
)

__all__ = [
    "PREFIX",
    "SETTINGS",
    "BadSetting",
    "BadSettings",
    "Need",
    "Setting",
    "Settings",
    "Timetable",
    "bad_settings",
    "need_of",
    "needed",
    "read_timetable",
]

_SIGNER, _KEYPAIR = "SOLPAY_FEE_PAYER_SIGNER", "SOLPAY_FEE_PAYER_KEYPAIR"


def _automation(kind: Kind[Any], name: str) -> Setting:
    return Setting(kind, name=f"{PREFIX}{name}", from_django=False)


class Settings(Table):
    """Everything the operator decides about the work. What was not needed is None, or has its default."""

    database_url: Annotated[SecretStr, Setting(secret.DATABASE_URL)]
    """The merchant's database: `postgresql://user:password@host/name` or `sqlite:////absolute/path`."""

    payment_table: Annotated[str, Setting(values.PAYMENT_TABLE)] = PAYMENT_TABLE
    """The payment table, where the merchant has a payment model of their own."""

    token_table: Annotated[str, Setting(values.TOKEN_TABLE)] = TOKEN_TABLE
    """The token table, where the merchant has a token model of their own."""

    webhook_url: Annotated[SecretStr | None, Setting(secret.SAFE_URL)] = None
    """Where events are posted to, by https."""

    webhook_secrets: Annotated[
        tuple[SecretStr, ...], Setting(list_of(secret.WEBHOOK_SECRET), name="SOLPAY_WEBHOOK_SECRET")
    ] = ()
    """The signing secret of the webhook after Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes. While it is
    being changed: the new one and the old one, comma separated; each event is then signed by both."""

    webhook_allow_private: Annotated[bool, Setting(values.FLAG)] = False
    """`true` where the webhook is in a private network; else only public addresses, and this very machine, are
    posted to."""

    webhook_proxy: Annotated[SecretStr | None, Setting(secret.URL)] = None
    """The HTTP proxy on the way to the webhook. It looks the host up itself, and has to refuse private addresses.
    Without it no proxy is used, whatever HTTPS_PROXY says."""

    event_tries: Annotated[int, Setting(whole("tries", 1, 1_000))] = 10
    """How often an event is tried at one place before it is given up. Ten tries take three days."""

    event_handlers: Annotated[tuple[str, ...], Setting(list_of(values.HANDLER))] = ()
    """Python callables that get every event, as `package.module:function`, comma separated. Each runs in a process of
    its own, without our secrets in its environment."""

    event_handler_timeout: Annotated[int, Setting(whole("seconds", 1, 600))] = HANDLER_SECONDS
    """Seconds that a handler, or Django's receivers together, may take for one event."""

    django_settings: Annotated[str | None, Setting(values.MODULE, from_django=False)] = None
    """The merchant's Django settings module; with it the peer's own signals are sent, and what is not set here is
    taken from its `SOLPAY`, `SOLANA_PAYMENTS` and `DATABASES`."""

    rpc_urls: Annotated[
        tuple[SecretStr, ...] | None, Setting(list_of(secret.URL), Need.WATCH, peer="RPC_URL")
    ]
    """RPC endpoints, comma separated, in order of failover."""

    cluster: Annotated[str | None, Setting(values.CLUSTER, Need.WATCH)]
    """`mainnet-beta`, `devnet`, `testnet`, `localnet`, or a genesis hash. Every endpoint must be on it."""

    receiver_address: Annotated[Pubkey | None, Setting(values.RECEIVER, Need.WATCH, peer="RECEIVER_ADDRESS")]
    """The merchant's main wallet, the only place that funds go to."""

    commitment: Annotated[Commitment, Setting(values.COMMITMENT, Need.WATCH, peer="RPC_COMMITMENT")] = (
        Commitment.CONFIRMED
    )
    """How settled the chain's state must be to act on it: `processed`, `confirmed` or `finalized`."""

    acceptance_commitment: Annotated[
        Commitment, Setting(values.SAFE_COMMITMENT, Need.WATCH, peer="PAYMENT_ACCEPTANCE_COMMITMENT")
    ] = Commitment.CONFIRMED
    """How settled a payment must be to be accepted: `confirmed` or `finalized`."""

    rpc_timeout: Annotated[float, Setting(values.SECONDS, Need.WATCH, peer="RPC_TIMEOUT")] = TIMEOUT_SECONDS
    """Seconds that one RPC call may take, at most 300."""

    rpc_longest_wait: Annotated[float, Setting(values.SECONDS, Need.WATCH)] = LONGEST_WAIT_SECONDS
    """Seconds that an endpoint's Retry-After is obeyed for, at most 300. One that asks for more is in trouble: the run
    ends and says so."""

    rpc_rate_limit: Annotated[float, Setting(values.RATE, Need.WATCH, peer="RPC_RATE_LIMIT")] = 0.0
    """RPC calls a second that this program allows itself; 0 for no limit."""

    rpc_headers: Annotated[SecretHeaders | None, Setting(HEADERS, Need.WATCH, peer="RPC_EXTRA_HEADERS")] = (
        None
    )
    """HTTP headers of RPC calls: `name=value,name=value` or a JSON object where all endpoints are of one host; else
    a JSON object by host, `{"rpc.example.com": {"x-api-key": "…"}}`."""

    rpc_proxy: Annotated[SecretStr | None, Setting(secret.URL, Need.WATCH, peer="RPC_PROXY")] = None
    """The HTTP proxy on the way to the RPC endpoints; where there is none, HTTPS_PROXY and NO_PROXY are obeyed."""

    underpayment_tolerance: Annotated[Tolerance, Setting(values.TOLERANCE, Need.WATCH)] = EXACT
    """How much less than the price still pays, unless a run says otherwise: a share of it (`0.5%`), or base units of
    one token (`SOL:1000`, `MINT:1000`). Never more than 5% of a price."""

    watch_days: Annotated[int, Setting(whole("days", 0, 3_650), Need.WATCH)] = WATCH_DAYS
    """Days after a payment's end for which its wallet is looked at daily; then ever more rarely. 0: never."""

    fee_payer_address: Annotated[Pubkey | None, Setting(values.ADDRESS, Need.WATCH, unless=_KEYPAIR)] = None
    """The fee payer's address. Needed beside `SOLPAY_FEE_PAYER_SIGNER`, which must sign as it; a process without keys
    knows the fee payer by it, or else by the last transaction that the ledger has."""

    transaction_version: Annotated[int, Setting(one_of({"0": 0, "1": 1}), Need.OPERATE)] = 0
    """The version of the transactions that are sent, `0` or `1`. Both are always read."""

    max_priority_fee: Annotated[int, Setting(values.PRIORITY_FEE, Need.OPERATE)] = 10_000
    """The most that a transaction may offer beyond the base fee, in lamports; 0 for nothing. What is offered follows
    the chain's recent fees."""

    receiver_delay: Annotated[int, Setting(whole("hours", 0, 8_760), Need.OPERATE)] = 0
    """Hours from `solpay receiver allow` until money is sent to the new receiver: time to notice what was not meant."""

    max_spent_per_run: Annotated[int | None, Setting(whole("lamports", 1), Need.OPERATE)] = None
    """The most that one run may spend of the fee payer's lamports: base fees, priority fees, and rent of accounts
    opened for the receiver. Once it is reached, nothing is moved any more."""

    max_spent_per_day: Annotated[int | None, Setting(whole("lamports", 1), Need.OPERATE)] = None
    """The same for all runs of a UTC day together."""

    fee_payer: Annotated[
        SecretKeypair | None,
        Setting(secret.KEYPAIR, Need.SIGN, name=_KEYPAIR, unless=_SIGNER, peer="FEE_PAYER_KEYPAIR"),
    ]
    """The key that pays fees and gets rent back: a JSON array of 64 numbers, base58, or the path of a file with one of
    them; unless `SOLPAY_FEE_PAYER_SIGNER` is set."""

    fee_payer_signer: Annotated[KeyPlace | None, Setting(values.KEY_PLACE, Need.SIGN, unless=_KEYPAIR)] = None
    """Where that key lives if not with us: `vault:https://host:8200/key` (HashiCorp Vault's transit engine),
    `aws-kms:KEY` (id, ARN or alias), `gcp-kms:projects/…/cryptoKeyVersions/1`. Needs the extra `kms`."""

    fee_payer_signer_token: Annotated[SecretStr | None, Setting(secret.TOKEN, Need.SIGN, unless=_KEYPAIR)] = (
        None
    )
    """The token of that Vault, or the path of a file with it."""

    wallet_keys: Annotated[
        tuple[SecretStr, ...] | None,
        Setting(list_of(secret.FERNET_KEY), Need.SIGN, if_empty="keypairs are stored unencrypted"),
    ]
    """Fernet keys of the stored wallet keypairs, comma separated; the first encrypts, all decrypt. Must be present;
    empty says that keypairs are stored unencrypted."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], need: Need = Need.SIGN) -> "Settings":
        """Read the `SOLPAY_*` variables of an environment; other variables are left alone.

        Only what is wanted for `need` is read, and the timetable is looked at too. An empty text counts as absent,
        except for SOLPAY_WALLET_KEYS.

        Raises:
            BadSettings: All that is misspelt, missing or bad.
        """
        fields = _good(*_read(environ, _rows_for(need)))
        return cls.model_validate({row.field: fields.get(row.field, row.default) for row in cls.rows()})


class Timetable(Table):
    """When Dagster looks and runs by itself: settings of the code location, read once as it is loaded.

    They are no settings of an operation, so no resource has them. With a bad one the code location does not load, and
    the UI shows the line.
    """

    cron: Annotated[str, _automation(values.CRON, "MAINTENANCE_CRON")] = "*/15 * * * *"
    """When `maintenance_schedule` launches maintenance; never beside itself."""

    timezone: Annotated[str, _automation(values.TIMEZONE, "MAINTENANCE_TIMEZONE")] = "UTC"
    """The time zone of that."""

    # Below the daemon's own pace ticks only pile up.
    interval: Annotated[int, _automation(whole("seconds", 5, 86_400), "RECHECK_INTERVAL")] = 30
    """Seconds between two looks of `recheck_sensor` at open payments, 5 at least."""

    # With three accounts a payment 5,000 are already 150 calls between two looks at the clock.
    page: Annotated[int, _automation(whole("payments", 1, 5_000), "RECHECK_PAGE")] = 500
    """Payments that such a look reads together."""

    # A few minutes past, when the maintenance of the full hour has usually ended.
    reports: Annotated[str, _automation(values.CRON, "REPORTS_CRON")] = "7 * * * *"
    """When `reports_schedule` makes the day's reports again, in UTC."""

    is_running: Annotated[bool, _automation(values.FLAG, "AUTOMATION_RUNNING")] = False
    """`true`: sensors and schedules run from the start, until they are switched off in the UI."""


SETTINGS: tuple[Setting, ...] = (*Settings.rows(), *Timetable.rows())
"""Every setting, in the order in which they are read, shown and documented."""


def read_timetable(environ: Mapping[str, str]) -> Timetable:
    """The timetable of an environment. Raises `BadSettings`."""
    return Timetable.model_validate(_good(*_read(environ, Timetable.rows())))


def need_of(environ: Mapping[str, str]) -> Need:
    """What a process may do by what its environment holds: `SIGN` with any key, itself or by Django, else `OPERATE`.

    One key is enough: who gave one meant to sign, and is told of the others that are missing.
    """
    keys = [row for row in SETTINGS if row.need is Need.SIGN]
    if any(environ.get(row.name, "").strip() for row in keys):
        return Need.SIGN
    try:
        given = _from_django(environ, keys)
    except BadSetting:
        # Whoever reads the settings next says what is wrong.
        return Need.OPERATE
    return Need.SIGN if any(row.name in given and given[row.name].text for row in keys) else Need.OPERATE


def bad_settings(environ: Mapping[str, str], need: Need = Need.SIGN) -> tuple[BadSetting, ...]:
    """Everything that is wrong with an environment's settings, misspelt names first; nothing is raised."""
    return tuple(_read(environ, _rows_for(need))[1])


def _rows_for(need: Need) -> list[Setting]:
    return [row for row in SETTINGS if row.need <= need]


def _good(fields: dict[str, Any], problems: list[BadSetting]) -> dict[str, Any]:
    if problems:
        raise BadSettings(problems)
    return fields


def _read(environ: Mapping[str, str], rows: Sequence[Setting]) -> tuple[dict[str, Any], list[BadSetting]]:
    problems = list(misspelt(environ, [row.name for row in rows], [row.name for row in SETTINGS]))
    try:
        django = _from_django(environ, rows)
    except BadSetting as problem:
        return {}, [*problems, problem]
    fields, bad = read_rows(rows, environ, django)
    return fields, [*problems, *bad, *contradictions(fields)]


def _from_django(environ: Mapping[str, str], rows: Iterable[Setting]) -> Mapping[str, Given]:
    """What the merchant's Django project gives; it is not even loaded where nothing is left for it to give."""
    module = environ.get(DJANGO_SETTINGS, "").strip()
    if not module or all(row.is_settled(environ) for row in rows if row.from_django):
        return {}
    try:
        from_django = [row for row in SETTINGS if row.from_django]
        return django_defaults(values.MODULE.read(module), from_django, environ.get(DATABASE_URL))
    except Unfit as unfit:
        problem = str(unfit)
    except BadSink as bad:
        problem = str(bad).removeprefix(f"{DJANGO_SETTINGS}: ")
    raise BadSetting(DJANGO_SETTINGS, problem)
