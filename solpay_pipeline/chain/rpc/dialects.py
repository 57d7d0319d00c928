"""What validators and providers are known to mean by the code of an error, each with where it is known from.

A code that is not here is its node's own trouble, and passes. Words never say what an error is: in a refusal of an
unknown code they are a hint to wait, and of a code with two meanings they choose the one that is named outright.
"""

import re
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final


class Meaning(StrEnum):
    """What a refusal is about."""

    RATE = auto()
    """The node: we ask too much."""

    BEHIND = auto()
    """The node: it has not come so far yet."""

    NO_METHOD = auto()
    """The endpoint: it does not offer the method."""

    NO_BLOCK = auto()
    """One slot: it was skipped, or its block is gone."""

    VERSION = auto()
    """One transaction: of a version above what we said that we read."""

    CURSOR = auto()
    """One page of a history: the signature that it begins at is not known."""

    PARAMETERS = auto()
    """Our question: too large, or not as this node takes it."""

    TRANSACTION = auto()
    """The chain: no node would pass these bytes on."""

    PREFLIGHT = auto()
    """The chain: simulated and failed, where the simulation is told with it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One code, what it means, and the source."""

    code: int
    meaning: Meaning
    source: str


_AGAVE: Final = "docs.rs/solana-rpc-client-api, custom_error"
_JSON_RPC: Final = "jsonrpc.org/specification, 5.1"

DIALECTS: Final = (
    Dialect(429, Meaning.RATE, "seen at QuickNode and the public endpoint, as the code of a body"),
    Dialect(-32429, Meaning.RATE, "seen at Helius"),
    Dialect(-32029, Meaning.RATE, "therpc.io/docs/solana/rate-limits"),
    Dialect(-32004, Meaning.BEHIND, _AGAVE),
    Dialect(-32005, Meaning.BEHIND, f"{_AGAVE}; P2P and nodius say it for a rate limit"),
    Dialect(-32014, Meaning.BEHIND, _AGAVE),
    Dialect(-32016, Meaning.BEHIND, _AGAVE),
    Dialect(-32001, Meaning.NO_BLOCK, _AGAVE),
    Dialect(-32007, Meaning.NO_BLOCK, f"{_AGAVE}; seen for a rate limit too"),
    Dialect(-32009, Meaning.NO_BLOCK, _AGAVE),
    Dialect(-32015, Meaning.VERSION, _AGAVE),
    Dialect(-32020, Meaning.CURSOR, "agave 4.0"),
    Dialect(-32601, Meaning.NO_METHOD, _JSON_RPC),
    Dialect(-32600, Meaning.PARAMETERS, _JSON_RPC),
    Dialect(-32602, Meaning.PARAMETERS, _JSON_RPC),
    Dialect(-32002, Meaning.PREFLIGHT, _AGAVE),
    Dialect(-32003, Meaning.TRANSACTION, _AGAVE),
    Dialect(-32006, Meaning.TRANSACTION, _AGAVE),
    Dialect(-32013, Meaning.TRANSACTION, _AGAVE),
)

MEANINGS: Final = {dialect.code: dialect.meaning for dialect in DIALECTS}

HINTS_AT_RATE: Final = re.compile(r"rate|limit|too many|quota|credit|throttl|busy|try again", re.IGNORECASE)
"""Words for which we wait as for a rate limit, where the code does not say more than that the node has trouble."""

NAMES_A_MISSING_BLOCK: Final = re.compile(r"skipped|cleaned up|missing", re.IGNORECASE)
"""Agave's words for a slot without a block, which tell it from a rate limit under the same code."""
