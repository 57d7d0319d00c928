"""Questions whose answer we know: they tell a node in trouble from an item that it cannot answer about.

A stranger can make a few items unreadable, by a transaction that a provider's index chokes on for instance. Were the
node blamed for them, he would stop the work of everybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from solders.pubkey import Pubkey


@dataclass(frozen=True, slots=True)
class Question:
    """A call whose result is not null on a node that is well."""

    method: str
    params: Sequence[object] = ()


@dataclass(slots=True)
class Controls:
    """The question for each method that has one. `passed_at` is when a method's was last answered well.

    `landed` is a transaction that is final.
    """

    questions: Mapping[str, Question] = field(default_factory=dict)
    passed_at: dict[str, float] = field(default_factory=dict)
    landed: str | None = None

    def know(self, account: Pubkey, landed: str | None) -> None:
        """Ask from now on about an account that exists and about a transaction that is final, where there is one."""
        self.questions = _questions_about(account, landed)
        self.landed = landed


def _questions_about(account: Pubkey, landed: str | None) -> dict[str, Question]:
    read = {"encoding": "base64"}
    questions = {
        "getMultipleAccounts": Question("getMultipleAccounts", [[str(account)], read]),
        "getSignaturesForAddress": Question("getSignaturesForAddress", [str(account), {"limit": 1}]),
        "getTokenAccountsByOwner": Question("getBalance", [str(account)]),
        "getBlockTime": Question("getSlot"),
    }
    if landed is not None:
        whole = {"encoding": "json", "maxSupportedTransactionVersion": 1}
        in_history = {"searchTransactionHistory": True}
        questions["getTransaction"] = Question("getTransaction", [landed, whole])
        questions["getSignatureStatuses"] = Question("getSignatureStatuses", [[landed], in_history])
    return questions
