"""`solpay` in a process of its own, without paying for the imports each time.

One process imports the product once and forks for every command, so that a command starts in milliseconds, runs
`main` of the command line alone in its process, ends by its own exit code, and can be killed. A moment of death is a
function of the product and the call of it, counted, before or after which the process kills itself with SIGKILL.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dagster as dg

REPOSITORY = Path(__file__).parents[2]
SOLPAY = [sys.executable, "-c", "from solpay_pipeline.cli.app import main; main()"]


@dataclass(frozen=True)
class Death:
    """`where` is `module:name` or `module:Class.name`; `nth` counts its calls in that process from 1."""

    where: str
    when: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.when} {self.where.removeprefix('solpay_pipeline.')} #{self.nth}"


@dataclass(frozen=True)
class Ended:
    """How a command ended; a negative code is the signal that killed it, as in `subprocess`."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def was_killed(self) -> bool:
        return self.returncode == -signal.SIGKILL

    def json(self) -> Any:
        return json.loads(self.stdout)


class Warm:
    """The process that forks."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(
        self,
        environment: Mapping[str, str],
        *args: str,
        death: Death | None = None,
        hurried: bool = False,
    ) -> Ended:
        """One command with this environment and nothing of `SOLPAY_*` or `DAGSTER_HOME` beside it.

        `hurried`: what the product would wait half a minute for, it waits half a second for.
        """
        order = {
            "args": args,
            "environment": dict(environment),
            "death": death and asdict(death),
            "hurried": hurried,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


@contextmanager
def warm_solpay():
    """A `Warm`, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "solpay_pipeline_tests.command_line.warm"],
        cwd=REPOSITORY,
        env=bare_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Warm(process)
        process.stdin.close()


def bare_environment() -> dict[str, str]:
    """Ours without any setting."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SOLPAY_") and name != "DAGSTER_HOME"
    }


def solpay(environment: Mapping[str, str], *args: str, seconds: float = 60) -> Ended:
    """The same in a fresh interpreter, as a shell starts it."""
    done = subprocess.run(
        [*SOLPAY, *args],
        check=False,
        cwd=REPOSITORY,
        env=bare_environment() | dict(environment),
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


# -- inside the process that forks ------------------------------------------------------------------------------


@dg.job(executor_def=dg.in_process_executor)
def _nothing() -> None:
    """A job without work."""


def _serve() -> None:
    import solpay_pipeline.cli.app
    import solpay_pipeline.cli.doctor
    import solpay_pipeline.cli.render
    import solpay_pipeline.in_process

    with dg.DagsterInstance.ephemeral() as instance:
        # What Dagster imports and caches on its first run, no child has to.
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        _nothing.execute_in_process(instance=instance, run_config=quiet)
    assert threading.active_count() == 1, "a fork keeps no threads"
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            child = os.fork()
            if child == 0:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                os.environ.update(order["environment"])
                if order["hurried"]:
                    _hurry()
                if order["death"]:
                    _arm(Death(**order["death"]))
                sys.argv = ["solpay", *order["args"]]
                solpay_pipeline.cli.app.main()
                raise SystemExit(0)
            _, status = os.waitpid(child, 0)
            out.seek(0)
            err.seek(0)
            ended = Ended(os.waitstatus_to_exitcode(status), out.read(), err.read())
        print(json.dumps(asdict(ended)), flush=True)


def _hurry() -> None:
    from solpay_pipeline.operations import persistence
    from solpay_pipeline.wiring import chain

    persistence.WAITS = (0.1,) * 4  # type: ignore[misc]
    chain.RETRY_WINDOW_SECONDS = 0.5


def _arm(death: Death) -> None:
    import importlib
    import inspect

    module, _, path = death.where.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    calls = 0

    def counted() -> int:
        nonlocal calls
        calls += 1
        return calls

    def reach(when: str, call: int) -> None:
        if (when, call) == (death.when, death.nth):
            os.kill(os.getpid(), signal.SIGKILL)

    async def deadly_later(*args: Any, **kwargs: Any) -> Any:
        call = counted()
        reach("before", call)
        answer = await original(*args, **kwargs)
        reach("after", call)
        return answer

    def deadly(*args: Any, **kwargs: Any) -> Any:
        call = counted()
        reach("before", call)
        answer = original(*args, **kwargs)
        reach("after", call)
        return answer

    setattr(owner, name, deadly_later if inspect.iscoroutinefunction(original) else deadly)


if __name__ == "__main__":
    _serve()
