from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from solpay_pipeline.definitions import defs
from solpay_pipeline.defs import resources
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
def launch(instance: dg.DagsterInstance) -> Launch:
    """Run a job of the code location; `config` is by op."""

    def run(job: str, partition: str | None = None, **config: dict[str, object]) -> dg.ExecuteInProcessResult:
        return defs.resolve_job_def(job).execute_in_process(
            run_config={"ops": {op: {"config": given} for op, given in config.items()}, **QUIET},
            instance=instance,
            partition_key=partition,
            raise_on_error=False,
        )

    return run


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be waited half a minute for, is waited half a second for."""
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda _self, _attempt: 0.1)
    monkeypatch.setattr(resources, "RETRY_WINDOW_SECONDS", 0.5)
