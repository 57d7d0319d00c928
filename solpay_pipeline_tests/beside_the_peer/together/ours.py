"""Several processes that give one `solpay` command after another: `python -m solpay_pipeline_tests.beside_the_peer.together.ours`.

Arguments: a file, and a list of lists of commands as JSON. Each list is a process of its own, which goes round through its
commands once, and again until the file is there. Every command is a process too, forked from one that has imported
everything. The last line of output tells how each command ended.
"""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn


def main() -> None:
    stop, workers = Path(sys.argv[1]), json.loads(sys.argv[2])
    import solpay_pipeline.cli.app
    import solpay_pipeline.in_process  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        reports = [Path(folder) / f"{place}.json" for place in range(len(workers))]
        children = []
        for commands, report in zip(workers, reports, strict=True):
            child = os.fork()
            if child == 0:
                report.write_text(json.dumps(_go_round(commands, stop)))
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        print("\n" + json.dumps([json.loads(report.read_text()) for report in reports]))


def _go_round(commands: list[list[str]], stop: Path) -> list[dict[str, Any]]:
    ended = []
    while not (ended and stop.exists()):
        ended += [_run(command) for command in commands]
    return ended


def _run(command: list[str]) -> dict[str, Any]:
    import solpay_pipeline.cli.app

    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = ["solpay", *command]
            _end_as(solpay_pipeline.cli.app.main)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return {
            "command": command,
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read(),
            "err": err.read(),
        }


def _end_as(command: Callable[[], object]) -> NoReturn:
    """End this process as the command would, without going back to what it was forked from."""
    code: object = 70
    try:
        command()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
