from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.jobs import operation_jobs
from solpay_pipeline.defs.resources import RESOURCES, Lending, SolanaRpcResource
from solpay_pipeline.wiring.chain import ChainAccess
from solpay_pipeline_tests.shop import Shop, open_shop

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


Launch = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop whose settings are this process's environment."""
    with open_shop(tmp_path) as made:
        settle_in(made, monkeypatch)
        yield made


def settle_in(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in shop.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def location() -> dg.Definitions:
    """The code location whose jobs `launch` runs."""
    return defs


@pytest.fixture
def launch(instance: dg.DagsterInstance, location: dg.Definitions) -> Launch:
    """Run a job of the code location; `config` is its run config."""

    def run(job: str, partition: str | None = None, **config: object) -> dg.ExecuteInProcessResult:
        return run_job(location, instance, job, partition, **config)

    return run


def run_job(
    location: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    partition: str | None = None,
    **config: object,
) -> dg.ExecuteInProcessResult:
    return location.resolve_job_def(job).execute_in_process(
        run_config={"ops": {"config": config}, **QUIET},
        instance=instance,
        partition_key=partition,
        raise_on_error=False,
    )


def hurried_location(**resources: object) -> dg.Definitions:
    """Our jobs where what is waited half a minute for is waited half a second for; `resources` take the place of ours."""
    return dg.Definitions(
        jobs=[*operation_jobs().values()],
        resources={**RESOURCES, "rpc": Lending(_hurried_chain), **resources},
    )


def _hurried_chain() -> ChainAccess:
    chain = SolanaRpcResource().lend()
    return replace(chain, options=replace(chain.options, retry_window_seconds=0.5))
