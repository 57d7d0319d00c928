"""Runs a command and says what it cost: wall time and CPU time of its own; and what a process says of itself."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".bench"
"""Where the peer's environment and the made-up shops are kept between runs; `make clean` removes it."""

PEER_REQUIREMENTS = (
    "django-solana-payments[drf]==1.0.0",
    "Django>=5.2,<5.3",
    "solana==0.41.0",
    "solders==0.29.0",
)
"""The peer as it comes (its commands import the rest framework), on pinned releases of what it runs on."""


class CommandFailed(Exception):
    """A measured command ended badly; the text is the end of what it printed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by the wall clock, seconds of CPU (user and system), and what was printed."""

    wall: float
    cpu: float
    output: str

    @property
    def told(self) -> Any:
        """The last line printed, as JSON."""
        return json.loads(self.output.rstrip().splitlines()[-1])


def run(command: Sequence[str], environment: Mapping[str, str], *, accepted: Sequence[int] = (0,)) -> Cost:
    """Run to the end. Raises CommandFailed where the exit code is not an accepted one."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    # Popen.wait would take the usage away.
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accepted:
        raise CommandFailed(f"{' '.join(command[:6])} ended with {process.returncode}:\n{output[-3000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, output)


def peer_python() -> str:
    """The interpreter of the peer's own environment, which is made at the first use."""
    folder = CACHE / "peer-1.0.0"
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        print("making the peer's environment ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, *PEER_REQUIREMENTS], check=True)
        (folder / ".installed").touch()
    return str(python)


def cpu_seconds(pid: int) -> float:
    """CPU time that a running process has used (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu_seconds() -> float:
    """CPU time that this process has used so far, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def own_peak_memory() -> float:
    """Mebibytes that this process held at its peak (proc(5), VmHWM).

    Not `ru_maxrss`: that begins with the memory of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak) / 1024
