"""A chain that survives a restart: written to a file when it stops, read from it when it starts."""

import os
import time
from dataclasses import replace
from pathlib import Path

import orjson

from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.snapshot import Snapshot


def save(chain: Chain, path: Path) -> None:
    """Writes the chain; the old file stays until the new one is complete. OSError where it cannot be written."""
    content = orjson.dumps(chain.snapshot().to_json())
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def load(path: Path, config: ChainConfig) -> Chain:
    """The chain in a file, or a new one by `config` where there is no file.

    A chain in a file keeps its settings, except for the clock, the slot time and the history setting of `config`. With
    the wall clock, the time since it was written has passed on the chain too. Raises ValueError that names the file
    where it holds no chain.
    """
    if not path.exists():
        return Chain(config)
    try:
        snapshot = Snapshot.from_json(orjson.loads(path.read_bytes()))
    except ValueError as error:
        raise ValueError(f"{path} holds no chain: {error}") from error
    kept = replace(
        snapshot.config,
        clock=config.clock,
        slot_seconds=config.slot_seconds,
        history_slots=config.history_slots,
    )
    away = max(time.time() - snapshot.taken_at, 0.0) if config.clock == "wall" else 0.0
    return Chain.resumed(replace(snapshot, config=kept), away)
