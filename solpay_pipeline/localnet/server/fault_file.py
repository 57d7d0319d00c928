"""Faults from a file: a JSON object with `faults`, a list of faults and names of presets, and perhaps a `seed`."""

import json
from pathlib import Path

from solpay_pipeline.localnet.server.faults import Faults, faults_from_json


def load_faults(path: Path, seed: int = 0) -> Faults:
    """The faults in a file; OSError where it cannot be read, ValueError that names it where it is wrong. `seed`: if it
    has none.
    """
    try:
        return _faults(json.loads(path.read_text()), seed)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a file of faults: {error}") from error


def _faults(content: object, seed: int) -> Faults:
    if not isinstance(content, dict) or set(content) - {"seed", "faults"}:
        raise TypeError("it must hold an object with `faults` and, if wanted, `seed`")
    own_seed = content.get("seed", seed)
    if not isinstance(own_seed, int):
        raise TypeError("its seed must be a whole number")
    faults = Faults(own_seed)
    faults.replace(faults_from_json(content.get("faults", [])))
    return faults
