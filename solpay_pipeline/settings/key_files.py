"""Files with keys that other users of the machine can read."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from solpay_pipeline.settings.model import SETTINGS
from solpay_pipeline.settings.secret import KEYPAIR, TOKEN, existing_file
from solpay_pipeline.settings.table import BadSetting


def open_to_others(environ: Mapping[str, str]) -> Iterator[BadSetting]:
    """Each setting of an environment that names such a file; a folder that others may not enter keeps it."""
    for row in SETTINGS:
        text = environ.get(row.name, "").strip()
        path = existing_file(text) if text and row.kind in (KEYPAIR, TOKEN) else None
        if path is not None and _is_open(path.resolve()):
            yield BadSetting(
                row.name,
                f"names a file with a key that every user of this machine can read: chmod 600 {path}",
            )


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH) and all(
            folder.stat().st_mode & stat.S_IXOTH for folder in path.parents
        )
    except OSError:
        # A folder that we may not look into: others may not either.
        return False
