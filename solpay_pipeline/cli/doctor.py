"""`solpay doctor`: everything that has to fit before an operation, looked at without changing anything."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from solders.pubkey import Pubkey
from sqlalchemy import inspect

from solpay_pipeline.base.database import reading
from solpay_pipeline.base.database_trouble import DatabaseTrouble
from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.rpc.errors import ChainError
from solpay_pipeline.chain.sending.keyless import NOBODY
from solpay_pipeline.chain.sending.signing import SignerRefused
from solpay_pipeline.ledger import audit, installation
from solpay_pipeline.ledger.installation import AnotherCluster
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.operations.changes.writing import write_obstacle
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.preflight import open_context
from solpay_pipeline.operations.run import silent
from solpay_pipeline.records.queries import sealed_page
from solpay_pipeline.records.schema import missing_columns
from solpay_pipeline.records.vault import KeyMismatch, KeyUnreadable
from solpay_pipeline.settings.key_files import open_to_others
from solpay_pipeline.settings.model import SETTINGS, Need, Settings, bad_settings, need_of, read_timetable
from solpay_pipeline.wiring.deployment import deployment_of
from solpay_pipeline.wiring.sinks import look_at_sinks

_KEYS_TRIED = 20

# Who asks a doctor wants to know soon; a node that needs longer is no healthy one.
_RETRY_SECONDS = 3.0
_LOW_LAMPORTS = 10_000_000

_DEFAULTS = {row.name: row.shown(row.default) for row in SETTINGS}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what to do where it does not fit."""

    name: str
    passed: bool
    words: str
    is_setting: bool = False

    def line(self) -> str:
        """For a terminal."""
        return f"{'ok  ' if self.passed else 'FAIL'}  {self.name}: {self.words}"

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {"name": self.name, "passed": self.passed, "words": self.words}


def examine(environ: Mapping[str, str], receiver_export: Path | None = None) -> list[Check]:
    """Check settings first; the rest only where they are good. An export of the receivers is compared where given."""
    need = need_of(environ)
    bad = bad_settings(environ, need)
    if bad:
        return [Check(one.name, False, one.problem, is_setting=True) for one in bad]
    settings = Settings.from_environment(environ, need)
    checks = [_settings(settings.shown() | read_timetable(environ).shown()), _role(need)]
    checks += [Check(one.name, False, one.problem) for one in open_to_others(environ)]
    try:
        deployment = deployment_of(settings, retry_window_seconds=_RETRY_SECONDS)
    except DatabaseTrouble as problem:
        return [*checks, Check("database", False, str(problem))]
    checks.append(Check("database", True, settings.shown()["SOLPAY_DATABASE_URL"]))
    of_tables = list(_tables(deployment))
    checks += of_tables
    if all(check.passed for check in of_tables):
        checks += _ledger(deployment)
        if receiver_export is not None:
            checks.append(_export(deployment, receiver_export))
        checks += _keys(deployment) if deployment.has_keys else []
        checks += asyncio.run(_chain(deployment))
    deployment.engine.dispose()
    if settings.fee_payer_signer is not None:
        checks.append(asyncio.run(_signer(deployment)))
    checks += [Check(f"events: {name}", not bad, bad or good) for name, good, bad in look_at_sinks(settings)]
    if environ.get("DAGSTER_HOME"):
        checks.append(_daemon())
    return checks


def _settings(shown: Mapping[str, str]) -> Check:
    """What is set otherwise than by default, a line each."""
    given = [f"{name} {shown[name]}" for name, default in _DEFAULTS.items() if shown[name] != default]
    return Check("settings", True, "\n      ".join([f"{len(shown)} are good, of which are set:", *given]))


def _role(need: Need) -> Check:
    """What a process with this environment may do; docs/security.md#roles."""
    words = {
        Need.SIGN: "signs: the keys are in this environment, and money moves",
        Need.OPERATE: "holds no key: payments are judged, credited and expired, nothing moves",
    }
    return Check("role", True, words[need])


def _tables(deployment: Deployment) -> Iterator[Check]:
    with reading(deployment.engine) as connection:
        present = set(inspect(connection).get_table_names())
        current = migrate.is_current(connection)
    absent = [table.name for table in deployment.tables.all if table.name not in present]
    if absent:
        yield Check(
            "peer tables", False, f"missing {', '.join(absent)}: run the shop's migrations, or `solpay init`"
        )
    else:
        lacking = missing_columns(deployment.engine, deployment.tables)
        words = f"missing columns {', '.join(lacking)}" if lacking else "all there"
        yield Check("peer tables", not lacking, words)
    yield Check("own tables", current, "up to date" if current else "missing or outdated: run `solpay init`")
    if current and not absent:
        yield _writing(deployment)


def _writing(deployment: Deployment) -> Check:
    """Who holds no key may be there to watch alone, by a database user who only reads."""
    obstacle = write_obstacle(deployment.engine, deployment.tables)
    if obstacle is None:
        return Check("writing", True, "this user may write what operations write")
    if deployment.has_keys:
        return Check("writing", False, obstacle)
    return Check("writing", True, f"this user only watches: {obstacle}")


def _ledger(deployment: Deployment) -> Iterator[Check]:
    """What the ledger is bound to, and whether its audit trail is whole."""
    with reading(deployment.engine) as connection:
        cluster = installation.bound_cluster(connection)
        known = installation.receivers(connection)
        trail = audit.verify(connection)
    allowed = ", ".join(str(one.address) for one in known if one.revoked_at is None) or "none"
    words = f"bound to the cluster {cluster}; allowed receivers: {allowed}"
    yield Check(
        "ledger", True, words if cluster else "not bound yet: `solpay init` or the first run does that"
    )
    whole = f"{trail.entries} entries, the head is {trail.head}"
    yield Check("audit", not trail.broken, "; ".join(trail.broken) or whole)


def _export(deployment: Deployment, file: Path) -> Check:
    """A backup that is older than the export may bring back a receiver that was revoked."""
    name = "receiver export"
    try:
        exported = json.loads(file.read_text(encoding="utf-8"))
        head = str(exported["audit_head"])
        revoked = {str(one["address"]) for one in exported["receivers"] if one["revoked_at"] is not None}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Check(name, False, f"{file} is no export of the receivers: {type(error).__name__}")
    with reading(deployment.engine) as connection:
        broken = audit.verify(connection, head).broken
        allowed = {str(one.address) for one in installation.receivers(connection) if one.revoked_at is None}
    if not broken:
        return Check(name, True, "the audit trail goes on from it")
    back = ", ".join(sorted(allowed & revoked))
    words = f"; revoked in it and allowed here: {back}: run `solpay receiver revoke`" if back else ""
    return Check(name, False, "; ".join(broken) + words)


def _keys(deployment: Deployment) -> Iterator[Check]:
    """Fernet keys against real rows."""
    with reading(deployment.engine) as connection:
        page = sealed_page(connection, deployment.tables, after_wallet_id=0, limit=_KEYS_TRIED)
    closed = []
    for sealed, address in page:
        try:
            if address is not None:
                deployment.vault.open(sealed, Pubkey.from_string(address))
        except (KeyUnreadable, KeyMismatch, ValueError) as error:
            closed.append(str(error))
    words = (
        f"{len(page)} of the oldest rows open" if not closed else f"{len(closed)} of {len(page)}: {closed[0]}"
    )
    yield Check("wallet keys", not closed, words)


def _daemon() -> Check:
    """Without a daemon no schedule ticks, no sensor looks, and no queued run starts."""
    try:
        with dg.DagsterInstance.get() as instance:
            statuses = instance.get_daemon_statuses()
    except dg.DagsterError as error:
        return Check("daemon", False, f"the Dagster instance cannot be opened: {type(error).__name__}")
    if not any(status.last_heartbeat for status in statuses.values()):
        return Check(
            "daemon", True, "none has run on this instance: nothing runs by itself, queued runs wait"
        )
    silent_ones = sorted(name for name, status in statuses.items() if status.required and not status.healthy)
    if not silent_ones:
        return Check("daemon", True, f"{len(statuses)} daemons have a fresh heartbeat")
    return Check(
        "daemon", False, f"no fresh heartbeat of {', '.join(silent_ones)}: is `dagster-daemon run` running?"
    )


async def _signer(deployment: Deployment) -> Check:
    """Whether the key in the Vault or KMS is there and is the fee payer's; nothing is signed."""
    name = "fee payer's signer"
    try:
        is_there = await deployment.fee_payer.is_available()
    except SignerRefused as refused:
        return Check(name, False, str(refused))
    finally:
        await deployment.fee_payer.aclose()
    if is_there:
        return Check(name, True, f"has the key of {deployment.fee_payer.pubkey}")
    words = f"gives no answer, or has no key of {deployment.fee_payer.pubkey}: see SOLPAY_FEE_PAYER_SIGNER"
    return Check(name, False, words)


async def _chain(deployment: Deployment) -> list[Check]:
    started = time.monotonic()
    try:
        async with open_context(
            deployment, Options(dry_run=True), RunRef("doctor", "doctor"), silent
        ) as context:
            seconds = time.monotonic() - started
            payer = context.deployment.fee_payer.pubkey
            return [
                Check(
                    "chain",
                    True,
                    f"{deployment.cluster}, slot {context.chain_slot}, preflight in {seconds:.2f} s",
                ),
                Check(
                    "receiver",
                    context.receiver is not None,
                    context.binding.obstacle
                    or f"{deployment.receiver} {'exists' if context.receiver_exists else 'is unused'}",
                ),
                _fee_payer(payer, context.facts.fee_payer_lamports),
            ]
    except (ChainError, Blocked, AnotherCluster) as error:
        return [Check("chain", False, str(error))]


def _fee_payer(address: Pubkey, lamports: int) -> Check:
    name = "fee payer"
    if address == NOBODY:
        return Check(name, True, "not known here, and nothing is signed here; SOLPAY_FEE_PAYER_ADDRESS tells")
    if lamports < _LOW_LAMPORTS:
        return Check(name, False, f"{address} has {lamports} lamports: send it SOL, {_LOW_LAMPORTS} at least")
    return Check(name, True, f"{address} has {lamports} lamports")
