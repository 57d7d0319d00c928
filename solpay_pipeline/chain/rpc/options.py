"""How to reach the chain: endpoints in order of preference, and how to call them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

TIMEOUT_SECONDS = 10.0
"""For one HTTP request, where nothing else is asked for."""


LONGEST_WAIT_SECONDS = 120.0
"""That an endpoint may ask for, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node answers. The URL is a secret: providers put their key into it. The headers are for it alone."""

    url: SecretStr
    headers: Mapping[str, SecretStr] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RpcOptions:
    """How to call.

    `timeout` is for one HTTP request, in seconds. `rate_limit` is in calls a second (0: none) and `sleep` in seconds
    between two calls; both hold over all endpoints and concurrent calls. `retry_window_seconds` is how long a call that
    failed in passing is made again.
    """

    timeout: float = TIMEOUT_SECONDS
    rate_limit: float = 0.0
    proxy: SecretStr | None = None
    sleep: float = 0.0
    max_concurrency: int = 16
    retry_window_seconds: float = 30.0
