"""The settings: read from the environment or from a Dagster resource, checked once, frozen.

What there is stands in `setting_specs.py`. A missing or bad value is a `BadSetting`: one line that names the
variable and never shows a secret.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr
from solders.pubkey import Pubkey

from solpay_pipeline.base.errors import NeedsOperator
from solpay_pipeline.chain.sending.signing import VAULT, KeyPlace
from solpay_pipeline.events.message import BadSink
from solpay_pipeline.lifecycle.judgement import Tolerance
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.settings.from_django import DJANGO_SETTINGS, Given, django_defaults
from solpay_pipeline.settings.secret import SecretKeypair, Unfit, is_https, is_local
from solpay_pipeline.settings.specs import SETTINGS, SettingSpec
from solpay_pipeline.settings.values import read_module

__all__ = ["SETTINGS", "BadSetting", "SettingSpec", "Settings", "bad_settings", "parse_settings"]

PREFIX = "SOLPAY_"

TYPO_LIKENESS = 0.85
"""From this likeness on (difflib's ratio) an unknown variable is taken for a misspelt one."""


class BadSetting(NeedsOperator):
    """A setting is missing or cannot be used. Its text is one line, such as `SOLPAY_CLUSTER: is missing`."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


class Settings(BaseModel):
    """Everything the operator decides. Frozen; secrets hide themselves in repr and str.

    `rpc_timeout` is in seconds, `rpc_rate_limit` in requests a second (0: no limit), `max_priority_fee` in
    lamports a transaction (0: none is offered), the limits of what is spent in lamports. Either `fee_payer` is there,
    or `fee_payer_signer` with its address. No `wallet_keys` means that keypairs are stored as they are.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    database_url: SecretStr
    rpc_urls: tuple[SecretStr, ...]
    receiver_address: Pubkey
    fee_payer: SecretKeypair | None
    fee_payer_signer: KeyPlace | None
    fee_payer_address: Pubkey | None
    fee_payer_signer_token: SecretStr | None
    wallet_keys: tuple[SecretStr, ...]
    cluster: str
    commitment: Commitment
    acceptance_commitment: Commitment
    rpc_timeout: float
    rpc_rate_limit: float
    rpc_headers: tuple[tuple[str, SecretStr], ...]
    rpc_proxy: SecretStr | None
    payment_table: str
    token_table: str
    transaction_version: int
    max_priority_fee: int
    underpayment_tolerance: Tolerance
    watch_days: int
    max_spent_per_run: int | None
    max_spent_per_day: int | None
    webhook_url: SecretStr | None
    webhook_secrets: tuple[SecretStr, ...]
    webhook_allow_private: bool
    event_tries: int
    event_handlers: tuple[str, ...]
    django_settings: str | None

    @staticmethod
    def from_environment(environ: Mapping[str, str]) -> "Settings":
        """Read the `SOLPAY_*` variables of an environment; other variables are left alone.

        Raises:
            BadSetting: The first setting that is misspelt, missing or bad.
        """
        return _built(environ, _misspelt(environ))

    def shown(self) -> dict[str, str]:
        """Each setting by its variable's name, as it may be printed: of secrets only what is public."""
        return {spec.name: spec.show(getattr(self, spec.field)) for spec in SETTINGS}


def parse_settings(values: Mapping[str, str]) -> Settings:
    """Settings from texts by the names of `SETTINGS`, as the fields of a Dagster resource give them.

    An empty text counts as absent, except for SOLPAY_WALLET_KEYS. Names that are no setting are ignored.

    Raises:
        BadSetting: The first setting that is missing or bad.
    """
    return _built(values, [])


def bad_settings(environ: Mapping[str, str]) -> tuple[BadSetting, ...]:
    """Everything that is wrong with an environment's settings, misspelt names first; nothing is raised."""
    return (*_misspelt(environ), *_read(environ)[1])


def _built(values: Mapping[str, str], problems: list[BadSetting]) -> Settings:
    fields, bad = _read(values)
    for problem in (*problems, *bad):
        raise problem
    return Settings.model_validate(fields)


def _read(values: Mapping[str, str]) -> tuple[dict[str, object], list[BadSetting]]:
    fields: dict[str, object] = {}
    bad: list[BadSetting] = []
    try:
        defaults = _from_django(values)
    except BadSetting as problem:
        return fields, [problem]
    for spec in SETTINGS:
        given, origin = values.get(spec.name), ""
        if not _is_settled(spec, values) and spec.name in defaults:
            given, origin = defaults[spec.name].text, f" (from {defaults[spec.name].origin})"
        is_needed = spec.required and not (spec.unless in defaults or _text_of(spec.unless, values))
        try:
            fields[spec.field] = _value(spec, given, is_needed=is_needed)
        except Unfit as unfit:
            bad.append(BadSetting(spec.name, f"{unfit}{origin}"))
    return fields, bad or list(_contradictions(fields))


def _from_django(values: Mapping[str, str]) -> Mapping[str, Given]:
    """What the merchant's Django project gives; it is not even loaded where nothing is left for it to give."""
    module = values.get(DJANGO_SETTINGS, "").strip()
    if all(_is_settled(spec, values) for spec in SETTINGS):
        return {}
    try:
        return django_defaults(read_module(module), [spec.name for spec in SETTINGS]) if module else {}
    except Unfit as unfit:
        problem = str(unfit)
    except BadSink as bad:
        problem = str(bad).removeprefix(f"{DJANGO_SETTINGS}: ")
    raise BadSetting(DJANGO_SETTINGS, problem)


def _is_settled(spec: SettingSpec, values: Mapping[str, str]) -> bool:
    """Given, or another in its place. An empty text counts as absent, unless being empty is a value too."""
    text = values.get(spec.name)
    is_given = text is not None and (bool(text.strip()) or bool(spec.if_empty))
    return is_given or bool(_text_of(spec.unless, values))


def _text_of(name: str, values: Mapping[str, str]) -> str:
    return values.get(name, "").strip()


def _value(spec: SettingSpec, given: str | None, *, is_needed: bool) -> object:
    text = (given or "").strip()
    if given is None and is_needed:
        raise Unfit(f"is missing; leave it empty if {spec.if_empty}" if spec.if_empty else "is missing")
    if not text and is_needed and not spec.if_empty:
        raise Unfit("is empty")
    text = text or spec.default or ""
    return spec.read(text) if text else spec.empty


def _contradictions(fields: Mapping[str, Any]) -> Iterator[BadSetting]:
    webhook, signing = fields["webhook_url"], fields["webhook_secrets"]
    if webhook is not None and not signing:
        yield BadSetting("SOLPAY_WEBHOOK_SECRET", "is missing, and SOLPAY_WEBHOOK_URL needs it to sign")
    if webhook is None and signing:
        yield BadSetting("SOLPAY_WEBHOOK_URL", "is missing, though SOLPAY_WEBHOOK_SECRET is given")
    if webhook is not None and not is_https(webhook) and not is_local(webhook):
        yield BadSetting("SOLPAY_WEBHOOK_URL", "must be https:// (http:// is for localhost only)")
    yield from _fee_payers(fields)
    if fields["payment_table"] == fields["token_table"]:
        yield BadSetting("SOLPAY_TOKEN_TABLE", "is the same table as SOLPAY_PAYMENT_TABLE")


def _fee_payers(fields: Mapping[str, Any]) -> Iterator[BadSetting]:
    """One key pays: in memory, or where the signer is told."""
    place, is_known = fields["fee_payer_signer"], fields["fee_payer_address"] is not None
    has_token = fields["fee_payer_signer_token"] is not None
    if place is None:
        if is_known or has_token:
            name = "SOLPAY_FEE_PAYER_ADDRESS" if is_known else "SOLPAY_FEE_PAYER_SIGNER_TOKEN"
            yield BadSetting(name, "is given, but SOLPAY_FEE_PAYER_SIGNER is not")
        return
    if fields["fee_payer"] is not None:
        yield BadSetting("SOLPAY_FEE_PAYER_KEYPAIR", "is given beside SOLPAY_FEE_PAYER_SIGNER; one key pays")
    if not is_known:
        yield BadSetting("SOLPAY_FEE_PAYER_ADDRESS", "is missing, and SOLPAY_FEE_PAYER_SIGNER needs it")
    if has_token is not (place.backend == VAULT):
        problem = "is given, but only a Vault has one" if has_token else "is missing, and a Vault needs it"
        yield BadSetting("SOLPAY_FEE_PAYER_SIGNER_TOKEN", problem)


def _misspelt(environ: Mapping[str, str]) -> list[BadSetting]:
    names = [spec.name for spec in SETTINGS]
    bad = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in names:
            likely = difflib.get_close_matches(name, names, n=1, cutoff=TYPO_LIKENESS)
            if likely:
                bad.append(BadSetting(name, f"is no setting; did you mean {likely[0]}?"))
    return bad
