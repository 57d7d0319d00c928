"""The deterministic simulation: whole histories of a shop, its customers, its chain and its accidents, from a seed.

`make simulate SEEDS=2000`. Read `steps.py` for what can happen, `drawing.py` for how often, `checks.py` and `rest.py` for what must hold all the
same, `world.py` for how it is put together. Nothing sleeps and nothing listens on a port: one event loop whose clock
jumps to the next timer drives our own operations, an embedded chain and SQLite on a file.
"""
