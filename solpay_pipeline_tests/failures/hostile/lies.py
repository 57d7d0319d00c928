"""What a node, or whoever stands before it, may answer: by hypothesis, out of the honest answer.

A `Lie` keeps its parts as plain values, so that a failing example prints as what it was.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from solpay_pipeline_tests.failures.hostile.between import Told

JUNK: tuple[Any, ...] = (
    None,
    True,
    False,
    -1,
    0,
    1,
    2**31,
    2**32,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64,
    10**17,
    10**30,
    -(2**63) - 1,
    1.5,
    1e400,
    -0.0,
    float("nan"),
    "",
    "0",
    "-1",
    "1e9",
    "finalized",
    "processed",
    "\ud800",
    "\u0000",
    "11111111111111111111111111111111",
    "AAAA",
    "not base64!",
    [],
    [None],
    [[]],
    ["", "base64"],
    ["AAAA", "base58"],
    {},
    {"err": {}},
    {"InstructionError": [-1, {"Custom": 1}]},
    {"InstructionError": [2**40, {"Custom": 1}]},
    {"InstructionError": [True, "InvalidAccountData"]},
    {"InstructionError": []},
    "AlreadyProcessed",
    "BlockhashNotFound",
)
TEXTS = (*(value for value in JUNK if isinstance(value, str)), "2" * 88, "A" * 4_000)
CODES = (
    0, 429, -32000, -32001, -32002, -32003, -32004, -32005, -32007, -32009, -32010, -32011, -32013, -32014,
    -32015, -32016, -32019, -32020, -32029, -32429, -32600, -32601, -32602, -32603, -32700, 2**70, "-32005", "x", None, [],
)  # fmt: skip
STATUSES = (
    200,
    201,
    206,
    301,
    302,
    400,
    401,
    402,
    403,
    404,
    405,
    408,
    410,
    413,
    418,
    425,
    429,
    451,
    500,
    502,
    503,
    504,
    599,
)
RETRY_AFTER = (
    "",
    "0",
    "-1",
    "nan",
    "inf",
    "1e9",
    "soon",
    "0.01",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Thu, 99 Jan 1970",
    "9" * 40,
    "Fri, 31 Dec 9999 23:59:59 -2359",
)
PAGES = (
    b"", b" ", b"\x00", b"\xff\xfe", b"null", b"true", b"[]", b"{}", b"[{}]", b'""', b"NaN", b"1e999999",
    b"<html><body>502</body></html>", b"\xef\xbb\xbf{}", b'{"jsonrpc":"2.0"', b"9" * 5_000, b"{" * 2_000,
)  # fmt: skip
DEPTHS = (10, 120, 200, 800, 1_100, 50_000)


@dataclass(frozen=True)
class Page:
    """Something that is no JSON-RPC at all."""

    body: bytes
    status: int = 200

    def __call__(self, _request: dict[str, Any], _honest: bytes) -> Told:
        return Told(self.body, self.status, {"Content-Type": "text/html"})


@dataclass(frozen=True)
class Cut:
    """The honest answer, cut off."""

    share: float

    def __call__(self, _request: dict[str, Any], honest: bytes) -> Told:
        return Told(honest[: int(len(honest) * self.share)])


@dataclass(frozen=True)
class Frame:
    """The honest result in an envelope that does not fit."""

    member: str
    value: Any
    status: int = 200
    in_a_list: bool = False
    encoding: str = ""

    def __call__(self, request: dict[str, Any], honest: bytes) -> Told:
        answer = json.loads(honest)
        if self.value == "one more":
            answer[self.member] = request["id"] + 1
        elif self.value == "as a float":
            answer[self.member] = float(request["id"])
        elif self.value == "gone":
            answer.pop(self.member, None)
        else:
            answer[self.member] = self.value
        told: Any = [answer] if self.in_a_list else answer
        headers = {"Content-Encoding": self.encoding} if self.encoding else {}
        return Told(json.dumps(told).encode(), self.status, headers)


@dataclass(frozen=True)
class Refusal:
    """An error of any shape."""

    error: Any
    status: int
    retry_after: str | None
    its_own_id: bool

    def __call__(self, request: dict[str, Any], _honest: bytes) -> Told:
        body = {"jsonrpc": "2.0", "id": request["id"] if self.its_own_id else None, "error": self.error}
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        return Told(json.dumps(body).encode(), self.status, headers)


@dataclass(frozen=True)
class Nested:
    """The honest answer with a value somewhere in it that is deeper than anybody's stack."""

    place: float
    depth: int
    as_objects: bool
    in_the_error: bool

    def __call__(self, _request: dict[str, Any], honest: bytes) -> Told:
        answer = json.loads(honest)
        opening, closing = ('{"a":', "}") if self.as_objects else ("[", "]")
        if self.in_the_error:
            error = {"code": -32002, "message": "", "data": {"err": 1}}
            answer = {"jsonrpc": "2.0", "id": answer["id"], "error": error}
            holder, key = (error, "message") if self.place < 0.5 else (error["data"], "err")
            holder[key] = "MARK"
        else:
            _put(answer, self.place, "MARK")
        deep = opening * self.depth + "1" + closing * self.depth
        return Told(json.dumps(answer).replace('"MARK"', deep).encode())


@dataclass(frozen=True)
class Changed:
    """The honest answer with one value changed, somewhere in its result."""

    place: float
    how: str
    value: Any = None

    def __call__(self, _request: dict[str, Any], honest: bytes) -> Told:
        answer = json.loads(honest)
        kinds = FITTING.get(self.how, object)
        places = [
            (holder, key) for holder, key in _places(answer, "result") if isinstance(holder[key], kinds)
        ]
        if places:
            holder, key = places[int(self.place * (len(places) - 1))]
            _change(holder, key, self.how, self.value)
        return Told(json.dumps(answer).encode())


FITTING: dict[str, Any] = {
    "number": int,
    "text": str,
    "list": list,
    "put": object,
    "delete": object,
    "twice": object,
    "shorter": (list, str),
    "longer": (list, str),
    "as text": int,
    "as a float": int,
    "negative": int,
    "off by one": int,
    "garbled": str,
}
"""Ways to change a value, and the values that they are for."""


def _change(holder: Any, key: Any, how: str, value: Any) -> None:
    was = holder[key]
    match how, was:
        case "delete", _:
            del holder[key]
        case "twice", _ if isinstance(holder, list):
            holder.insert(key, was)
        case "shorter", list() | str() if was:
            holder[key] = was[:-1]
        case "longer", list() if was:
            holder[key] = [*was, was[-1]]
        case "longer", str():
            holder[key] = was + "A"
        case "as text", _:
            holder[key] = str(was)
        case "as a float", _:
            holder[key] = float(was)
        case "negative", _:
            holder[key] = -was
        case "off by one", _:
            holder[key] = was + 1
        case "garbled", str():
            try:
                raw = base64.b64decode(was, validate=True)
            except ValueError:
                raw = was.encode()
            holder[key] = base64.b64encode(bytes(byte ^ 0x5A for byte in raw)).decode()
        case _:
            holder[key] = value


def _places(holder: Any, key: Any) -> Iterator[tuple[Any, Any]]:
    """Every value below `holder[key]`, itself first, as who holds it and under which key."""
    if isinstance(holder, dict) and key not in holder:
        return
    yield holder, key
    value = holder[key]
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for each in keys:
        yield from _places(value, each)


def _put(answer: Any, place: float, value: Any) -> None:
    places = list(_places(answer, "result"))
    if not places:
        answer["result"] = value
        return
    holder, key = places[int(place * (len(places) - 1))]
    holder[key] = value


shares = st.floats(0, 1, exclude_max=True)
junk = st.sampled_from(JUNK) | st.text(max_size=8) | st.integers() | st.floats()

pages = st.builds(Page, st.sampled_from(PAGES) | st.binary(max_size=40), st.sampled_from(STATUSES))
cuts = st.builds(Cut, shares)
frames = st.builds(
    Frame,
    st.sampled_from(("id", "jsonrpc", "result", "error", "extra")),
    st.sampled_from(("one more", "as a float", "gone", *JUNK)),
    st.sampled_from((200, 200, *STATUSES)),
    st.booleans(),
    st.sampled_from(("", "", "", "gzip", "br", "deflate", "nonsense")),
)
refusals = st.builds(
    Refusal,
    st.fixed_dictionaries(
        {},
        optional={
            "code": st.sampled_from(CODES),
            "message": junk,
            "data": st.fixed_dictionaries(
                {}, optional={"err": junk, "logs": junk, "unitsConsumed": junk, "numSlotsBehind": junk}
            )
            | junk,
        },
    )
    | junk,
    st.sampled_from((200, 200, *STATUSES)),
    st.none()
    | st.sampled_from(RETRY_AFTER)
    | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12),
    st.booleans(),
)
nested = st.builds(
    Nested, shares, st.sampled_from(DEPTHS) | st.integers(850, 1_000), st.booleans(), st.booleans()
)
_numbers = st.sampled_from([value for value in JUNK if type(value) is int]) | st.integers(-(2**70), 2**70)
_lists = st.sampled_from([value for value in JUNK if isinstance(value, list)])
changes = (
    st.builds(Changed, shares, st.sampled_from(sorted(FITTING)), junk)
    | st.builds(Changed, shares, st.just("number"), _numbers)
    | st.builds(Changed, shares, st.just("text"), st.sampled_from(TEXTS) | st.text(max_size=8))
    | st.builds(Changed, shares, st.just("list"), _lists)
)

lies = changes | changes | changes | pages | cuts | frames | refusals | nested
"""Anything. Half of it keeps the form of an answer and changes a value."""
