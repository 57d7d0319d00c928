"""`python -m solpay_pipeline.demo FOLDER COMMAND ...`: the demo's chain goes on for as long as the command runs.

The exit code is the command's; 2 where there is no demo, or its port is taken.
"""

import sys
from pathlib import Path

from solpay_pipeline.demo.resumed import run_beside

_BAD_USAGE = 2


def main() -> int:
    """The command line."""
    if len(sys.argv) < 3:
        sys.stderr.write("usage: python -m solpay_pipeline.demo FOLDER COMMAND ...\n")
        return _BAD_USAGE
    try:
        return run_beside(Path(sys.argv[1]), sys.argv[2:])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}; run `solpay demo` first, and once at a time\n")
        return _BAD_USAGE


if __name__ == "__main__":
    sys.exit(main())
