"""What run config may say: each thing once, and nothing that moves money elsewhere or believes somebody else."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._config import ConfigType, ConfigTypeKind

from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.jobs import OPERATION_JOBS
from solpay_pipeline_tests.dagster.jobs.conftest import Launch
from solpay_pipeline_tests.shop import Shop

COMMON = {"dry_run", "payment_ids", "max_runtime_seconds", "sleep", "discover_accounts"}
CHOICES = {
    "expire_job": COMMON | {"close_wallets"},
    "sweep_job": COMMON | {"sweep_held_funds"},
    "reclaim_job": COMMON,
    "recheck_job": COMMON | {"limit", "forward_funds"},
    "maintenance_job": COMMON | {"close_wallets", "sweep_held_funds"},
    "deliver_events_job": {"max_runtime_seconds"},
}
DAGSTERS_OWN = {
    "execution.config.marker_to_close",
    "execution.config.step_dependency_config.require_upstream_step_success",
    "execution.config.retries.enabled",
    "execution.config.retries.disabled",
    "loggers.console.config.log_level",
    "loggers.console.config.name",
}
"""How much is logged, and whether the retry policy of ops holds; of the rest Dagster makes no use."""


def leaves(config: ConfigType, path: str = "") -> Iterator[str]:
    """The paths of all that can be said in a config; a choice between empty shapes says something too."""
    while hasattr(config, "inner_type"):
        config = config.inner_type
    fields = getattr(config, "fields", None)
    if fields is None:
        yield path
        return
    for name, field in fields.items():
        below = [*leaves(field.config_type, f"{path}.{name}" if path else name)]
        yield from below or ([f"{path}.{name}"] if config.kind is ConfigTypeKind.SELECTOR else [])


def said_in(job: dg.JobDefinition) -> set[str]:
    return set(leaves(job.run_config_schema.run_config_schema_type))


@pytest.mark.parametrize("name", [*CHOICES, "reports_job"])
def test_run_config_can_say_what_to_do_now_and_nothing_else(name: str) -> None:
    allowed = {f"ops.config.{choice}" for choice in CHOICES.get(name, ())}
    assert said_in(defs.resolve_job_def(name)) == allowed | DAGSTERS_OWN


def test_no_job_is_forgotten_and_nothing_else_can_be_launched() -> None:
    repository = defs.get_repository_def()
    # Reports can be made one by one, too: Dagster makes a job of all assets for that.
    implicit = [job for job in repository.get_all_jobs() if job.name.startswith("__ASSET_JOB")]
    assert {job.name for job in repository.get_all_jobs()} - {job.name for job in implicit} == {
        *CHOICES,
        "reports_job",
    }
    for job in implicit:
        assert not {path for path in said_in(job) if path.startswith(("ops.", "resources."))}
    targets = {
        one.job_name if isinstance(one, dg.ScheduleDefinition) else next(iter(one.targets)).job_name
        for one in (*repository.schedule_defs, *repository.sensor_defs)
        if not isinstance(one, dg.RunStatusSensorDefinition)
    }
    assert targets <= {*CHOICES, "reports_job"}


@pytest.mark.parametrize("job", [*CHOICES])
def test_the_launchpad_explains_every_field_and_none_has_to_be_filled_in(job: str) -> None:
    definition = defs.resolve_job_def(job)
    fields = definition.run_config_schema.run_config_schema_type.fields["ops"].config_type
    for name, field in fields.fields["config"].config_type.fields.items():
        assert field.description, name
        assert not field.is_required, name
    assert dg.validate_run_config(definition, {})


def test_one_dry_run_is_a_dry_run_of_all_operations() -> None:
    job = defs.resolve_job_def("maintenance_job")
    ops = dg.validate_run_config(job, {"ops": {"config": {"dry_run": True}}})["ops"]
    assert {op: ops[op]["config"]["dry_run"] for op in ("expire", "sweep", "reclaim")} == dict.fromkeys(
        ("expire", "sweep", "reclaim"), True
    )


def test_what_a_field_says_comes_to_the_operations_that_have_it_and_to_no_other() -> None:
    job = defs.resolve_job_def("maintenance_job")
    given = {"payment_ids": [17], "sleep": 0.5, "close_wallets": False, "sweep_held_funds": True}
    ops = dg.validate_run_config(job, {"ops": {"config": given}})["ops"]
    for op in ("expire", "sweep", "reclaim"):
        assert ops[op]["config"]["payment_ids"] == [17]
        assert ops[op]["config"]["sleep"] == 0.5
    assert ops["expire"]["config"]["close_wallets"] is False
    assert ops["sweep"]["config"]["sweep_held_funds"] is True
    assert "sweep_held_funds" not in ops["expire"]["config"]
    assert "close_wallets" not in ops["sweep"]["config"]


@pytest.mark.parametrize(
    "config",
    [
        {"ops": {"config": {"underpayment_tolerance": "99%"}}},
        {"ops": {"config": {"watch_days": 0}}},
        {"ops": {"config": {"check_history": False}}},
        {"ops": {"config": {"receiver_address": "11111111111111111111111111111111"}}},
        {"ops": {"sweep": {"config": {"dry_run": True}}}},
        {"ops": {"sweep": {"inputs": {"after": {"value": 1}}}}},
        {"resources": {"vault": {"config": {"receiver_address": "11111111111111111111111111111111"}}}},
        {"resources": {"rpc": {"config": {"rpc_urls": "https://rpc.test"}}}},
        {"resources": {"database": {"config": {"database_url": "sqlite:////tmp/other.db"}}}},
        {"resources": {"events": {"config": {"webhook_url": "https://hooks.test"}}}},
        {"resources": {"io_manager": {"config": {"base_dir": "/tmp"}}}},
    ],
    ids=str,
)
@pytest.mark.parametrize("job", ["maintenance_job", "sweep_job", "recheck_job"])
def test_what_the_environment_alone_decides_is_refused_in_run_config(
    job: str, config: dict[str, object]
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="unexpected config entry"):
        dg.validate_run_config(defs.resolve_job_def(job), config)


def test_a_dry_run_is_seen_in_the_list_of_runs_and_looks_like_nothing_that_happened(
    shop: Shop, launch: Launch, instance: dg.DagsterInstance
) -> None:
    mint = shop.accept_mint()
    shop.accepted_and_paid(mint)
    dry, real = launch("maintenance_job", dry_run=True), launch("maintenance_job")
    assert dry.success
    assert real.success
    tags = [_tags(instance, run.run_id) for run in (dry, real)]
    assert tags[0] == {
        "solpay/exclusive": "maintenance",
        "solpay/cluster": "localnet",
        "solpay/dry_run": "true",
    }
    assert "solpay/dry_run" not in tags[1]
    assert "swept 1" in tags[1]["solpay/sweep"]


def test_a_dry_run_that_fails_is_seen_as_one_too(
    shop: Shop, launch: Launch, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.accept_sol()
    monkeypatch.setenv("SOLPAY_CLUSTER", "devnet")
    failed = launch("sweep_job", dry_run=True)
    assert not failed.success
    assert _tags(instance, failed.run_id)["solpay/dry_run"] == "true"


def test_every_job_of_a_command_is_one_of_the_code_location() -> None:
    assert {job.name for job in OPERATION_JOBS.values()} == {*CHOICES}


def _tags(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return {name: value for name, value in run.tags.items() if name.startswith("solpay/")}
