"""Every situation of the demo, as data: how a payment comes about, and what must have become of it in the end."""

from dataclasses import dataclass
from enum import StrEnum

from solpay_pipeline.demo.deeds import (
    Deed,
    accounts_are_closed,
    goes_elsewhere,
    goes_home,
    is_accepted,
    is_frozen,
    is_left,
    is_minted,
    key_is_lost,
    key_is_of_another,
    key_is_plain,
    payment_is_deleted,
    pays,
    pays_net,
    prices_are_deleted,
    receives,
)
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState

USUAL = ("SOL", "USDC", "EURC")
"""What most payments can be paid in: native, the classic token program and Token-2022."""


class Age(StrEnum):
    """When a payment was made, as seen by the operations."""

    ANCIENT = "ancient"
    """More than the watched week ago."""
    OVER = "over"
    """Its time is over since an hour or two."""
    LIVE = "live"
    """Its time still runs."""


@dataclass(frozen=True, slots=True)
class End:
    """`status` is None where the payment itself is gone. `codes` are all the findings that must stand."""

    status: PaymentStatus | None
    state: WalletState
    codes: frozenset[FindingCode] = frozenset()


@dataclass(frozen=True, slots=True)
class Situation:
    """What becomes of some payments: `deeds` are done while their time runs, `later` after it."""

    name: str
    count: int
    age: Age
    deeds: tuple[Deed, ...]
    end: End
    sentence: str
    later: tuple[Deed, ...] = ()
    symbols: tuple[str, ...] = USUAL
    with_accounts: bool = True


ANCIENT, OVER, LIVE = Age.ANCIENT, Age.OVER, Age.LIVE
_INITIATED, _CONFIRMED, _EXPIRED = PaymentStatus.INITIATED, PaymentStatus.CONFIRMED, PaymentStatus.EXPIRED
_CREATED, _SENT, _CLOSED = WalletState.CREATED, WalletState.SENT_FUNDS, WalletState.CLOSED
_PROCESSING, _SHUT = WalletState.PROCESSING_PAYMENT, WalletState.PAYMENT_EXPIRED
_HELD, _FAILED = WalletState.RECEIVED_FUNDS, WalletState.FAILED_TO_SEND_FUNDS
_SENT_HOME = (pays("SOL"), goes_home("SOL"))


def _end(status: PaymentStatus | None, state: WalletState, *codes: FindingCode) -> End:
    return End(status, state, frozenset(codes))


def _held(code: FindingCode) -> End:
    """Whose money is it? A person must say."""
    return _end(_EXPIRED, _HELD, code)


def _stuck(code: FindingCode) -> End:
    """An accepted payment whose money cannot leave its wallet."""
    return _end(_CONFIRMED, _FAILED, code)


_WAITS, _UNPAID, _SWEPT = _end(_INITIATED, _CREATED), _end(_EXPIRED, _CLOSED), _end(_CONFIRMED, _SENT)
_OVERPAID = _end(_CONFIRMED, _SENT, FindingCode.OVERPAID)
_BY_PEER = _end(_CONFIRMED, _SENT, FindingCode.FOREIGN_MOVEMENT)

# A table: what is, in a line or two, and below it what people read.
# fmt: off
SITUATIONS: tuple[Situation, ...] = (
    # Every day, by customers alone: paid, unpaid, late, short, too much.
    Situation("unpaid_live", 14, LIVE, (), _WAITS,
              "Nobody has paid yet, and there is time."),
    Situation("unpaid_over", 14, OVER, (), _UNPAID,
              "Nobody paid, and the time is over."),
    Situation("unpaid_over_bare", 3, OVER, (), _UNPAID,
              "Nobody paid, and the wallet never had a token account.", with_accounts=False),
    Situation("paid_sol", 9, LIVE, (pays("SOL"),), _SWEPT,
              "Paid in SOL."),
    Situation("paid_token", 9, LIVE, (pays("USDC"),), _SWEPT,
              "Paid in a token of the classic program."),
    Situation("paid_token_2022", 7, LIVE, (pays("EURC"),), _SWEPT,
              "Paid in a token of Token-2022."),
    Situation("paid_with_transfer_fee", 5, LIVE, (pays_net("TAX"),), _SWEPT,
              "Paid in a token whose mint takes 1% of each transfer; the customer sent the fee on top.",
              symbols=("SOL", "USDC", "TAX")),
    Situation("short_by_transfer_fee", 2, OVER, (pays("TAX"),), _held(FindingCode.SHORT),
              "Sent the exact price of such a token, so that less than the price arrived.",
              symbols=("SOL", "TAX")),
    Situation("paid_wrapped_sol", 4, LIVE, (pays("wSOL"),), _SWEPT,
              "Paid in wrapped SOL.", symbols=("SOL", "wSOL")),
    Situation("paid_by_version_1", 4, LIVE, (pays("USDC", version=1),), _SWEPT,
              "Paid by a version-1 transaction, which the peer cannot read."),
    Situation("paid_in_two_transfers", 4, LIVE, (pays("SOL", 60), pays("SOL", 40)), _SWEPT,
              "Paid 60% and 40% of the price."),
    Situation("overpaid", 4, LIVE, (pays("USDC", 200),), _OVERPAID,
              "Paid twice the price: accepted, and told."),
    Situation("paid_in_two_tokens", 4, LIVE, (pays("SOL"), pays("USDC")), _OVERPAID,
              "Paid in full in SOL and again in a token: both go home."),
    Situation("mixed", 3, LIVE,
              (pays("EURC"), pays("USDC", 30), pays("wSOL", 10), pays("SOL", 5), is_accepted("EURC")), _OVERPAID,
              "Accepted, and holding SOL, a classic token, a Token-2022 token and wrapped SOL.",
              symbols=("SOL", "USDC", "EURC", "wSOL")),
    Situation("waits_for_sweep", 6, LIVE,
              (pays("USDC"), is_accepted("USDC", WalletState.PROCESSING_FUNDS)), _SWEPT,
              "The shop has accepted it; its funds wait to be swept."),
    Situation("paid_unnoticed", 6, OVER, (pays("EURC"),), _SWEPT,
              "Paid in time, and nobody looked until the time was over."),
    Situation("late", 5, OVER, (), _held(FindingCode.LATE),
              "Paid in full, after the time was over: held.", later=(pays("SOL"),)),
    Situation("short", 5, OVER, (pays("SOL", 50),), _held(FindingCode.SHORT),
              "Half the price came in: held."),
    Situation("short_live", 3, LIVE, (pays("USDC", 50),), _WAITS,
              "Half the price came in, and there is time for the rest."),
    Situation("half_and_half", 3, OVER, (pays("SOL", 50), pays("USDC", 50)), _held(FindingCode.SHORT),
              "Half the price in SOL and half in a token: no option is paid."),
    Situation("unpriced_sol", 2, OVER, (receives("SOL", 50_000_000),), _held(FindingCode.UNEXPECTED),
              "SOL came to a payment that can only be paid in a token: held.", symbols=("USDC",)),
    Situation("spam", 2, OVER, (receives("SPAM", 1),), _held(FindingCode.UNEXPECTED),
              "Nobody paid, but a token came that no payment names: held."),
    Situation("paid_and_spammed", 2, LIVE, (pays("USDC"), receives("SPAM", 1)),
              _end(_CONFIRMED, _SENT, FindingCode.UNASKED),
              "Paid, and a token came that no payment names: it stays, since the receiver has no account for it."),
    Situation("refunded", 2, OVER, (), _UNPAID,
              "Late money was held; somebody has sent it back by hand, so that the wallet can be closed.",
              later=(pays("SOL"), goes_elsewhere("SOL"), is_left(_EXPIRED, _HELD))),

    # What the peer's commands leave behind (its 1.0.0 was seen to do all of it), and what must become of it.
    Situation("expired_wallet_forgotten", 5, OVER, (), _UNPAID,
              "The payment was expired, its wallet stayed `created`: its rent comes back.",
              later=(is_left(_EXPIRED, _CREATED),)),
    Situation("expired_though_paid", 2, OVER, (pays("SOL"),), _SWEPT,
              "Paid in time, expired without a look, and the wallet stayed `created`.",
              later=(is_left(_EXPIRED, _CREATED),)),
    Situation("sweep_left_tokens", 3, LIVE,
              (pays("USDC"), receives("SOL", 900_000), goes_home("SOL"), is_accepted("USDC", _SENT)), _SWEPT,
              "Its sweep took the lamports, left the tokens, and said `sent_funds`."),
    Situation("sweep_failed_on_chain", 2, LIVE, (pays("SOL"), is_accepted("SOL", _SENT)), _SWEPT,
              "Its sweep failed on chain, and it said `sent_funds` all the same."),
    Situation("dusted", 3, LIVE, (pays("EURC"), receives("SOL", 900_000), is_accepted("EURC")), _OVERPAID,
              "Paid in a token and dusted with lamports, after which the peer would forget the token."),
    Situation("expired_holding_late_money", 3, OVER, (), _held(FindingCode.LATE),
              "The wallet of an expired payment holds late money: the peer would write it off.",
              later=(pays("USDC"), is_left(_EXPIRED, _SHUT))),
    Situation("expired_holding_payment", 2, OVER, (pays("USDC"),), _SWEPT,
              "The wallet of an expired payment holds money that came in time.",
              later=(is_left(_EXPIRED, _SHUT),)),
    Situation("expired_and_marked", 5, OVER, (), _UNPAID,
              "Expired as it should be; its accounts are still open.", later=(is_left(_EXPIRED, _SHUT),)),
    Situation("closed_but_open", 3, OVER, (), _UNPAID,
              "Marked closed though the close had failed: the accounts are open, their rent comes back.",
              later=(is_left(_EXPIRED, _CLOSED),)),
    Situation("closed_though_paid_in_time", 4, OVER, (pays("SOL"), pays("USDC")), _OVERPAID,
              "Paid in time in SOL and in a token, never looked at, expired and marked closed.",
              later=(is_left(_EXPIRED, _CLOSED),)),
    Situation("sent_home_but_failed", 3, LIVE, (*_SENT_HOME, is_accepted("SOL", _FAILED)), _BY_PEER,
              "The sweep landed and its answer was lost: `failed_to_send_funds`."),
    Situation("swept_but_closed", 2, LIVE, (*_SENT_HOME, accounts_are_closed, is_accepted("SOL", _CLOSED)),
              _end(_CONFIRMED, _CLOSED),
              "Paid and swept, and the wallet is marked as that of an expired payment: nothing is left to do."),
    Situation("accepted_but_closed", 2, LIVE, (pays("EURC"), is_accepted("EURC", _CLOSED)), _SWEPT,
              "Accepted, marked closed, and the money is still there."),
    Situation("accepted_but_expired", 2, LIVE, (pays("SOL"), is_accepted("SOL", _SHUT)), _SWEPT,
              "Accepted, and its wallet marked as expired with the money in it."),
    Situation("rolled_back", 2, OVER, (*_SENT_HOME, is_left(_INITIATED, _PROCESSING)), _BY_PEER,
              "Accepted and sent home, then rolled back to `initiated` by an RPC error."),
    Situation("rolled_back_whole", 2, OVER, _SENT_HOME, _BY_PEER,
              "The same where the web application rolled the wallet's state back as well (ATOMIC_REQUESTS)."),
    Situation("halves_swept_by_peer", 2, OVER,
              (pays("SOL", 50), goes_home("SOL"), pays("SOL", 50), goes_home("SOL"), is_left(_INITIATED, _SENT)),
              _BY_PEER, "Paid in two halves, each swept by the peer before it could add them up."),
    Situation("touched_live", 5, LIVE, (is_left(_INITIATED, _PROCESSING),), _WAITS,
              "An empty wallet of a live payment is in `processing_payment`: the peer's sweep would close it."),
    Situation("touched_live_short", 3, LIVE, (pays("SOL", 50), is_left(_INITIATED, _PROCESSING)),
              _end(_INITIATED, _PROCESSING), "The same with half the price in it, and time for the rest."),
    Situation("touched_over_short", 2, OVER, (pays("SOL", 50), is_left(_INITIATED, _PROCESSING)),
              _held(FindingCode.SHORT), "The same, and the time is over: held."),
    Situation("marked_expired_live", 2, LIVE, (is_left(_INITIATED, _SHUT),), _WAITS,
              "The wallet of a live payment is marked expired: it goes back."),
    Situation("closed_live", 2, LIVE, (accounts_are_closed, is_left(_INITIATED, _CLOSED)),
              _end(_INITIATED, _CLOSED),
              "The peer closed the accounts of a live payment: it waits on, for SOL."),
    Situation("closed_live_paid", 2, LIVE, (accounts_are_closed, is_left(_INITIATED, _CLOSED), pays("SOL")),
              _SWEPT, "The same, and the customer paid in SOL after it."),
    Situation("closed_over", 3, OVER, (accounts_are_closed, is_left(_INITIATED, _CLOSED)), _UNPAID,
              "The peer closed the accounts of a live payment, whose time is over by now."),
    Situation("late_after_close", 2, OVER, (accounts_are_closed,), _held(FindingCode.LATE),
              "Money came to a closed wallet in the days for which it is watched: held.",
              later=(is_left(_EXPIRED, _CLOSED), pays("SOL"))),
    Situation("late_after_watch", 2, ANCIENT, (accounts_are_closed,), _held(FindingCode.LATE),
              "The same, and nobody looked at it for longer than the days of daily looks: found and held all the same.",
              later=(is_left(_EXPIRED, _CLOSED), pays("SOL"))),

    # What no program can mend: each is set aside with its reason, and the others go on.
    Situation("frozen", 3, LIVE, (pays("USDC"), pays("SOL", 10), is_frozen("USDC"), is_accepted("USDC")),
              _stuck(FindingCode.TOKEN_STUCK),
              "The mint's authority has frozen the account; the wallet's SOL goes home."),
    Situation("transfer_hook", 2, LIVE, (is_minted("HOOK"), is_accepted("HOOK")),
              _stuck(FindingCode.TOKEN_STUCK),
              "The token's transfers call a program that asks for accounts we cannot know.",
              symbols=("SOL", "HOOK")),
    Situation("non_transferable", 2, LIVE, (is_minted("SOUL"), is_accepted("SOUL")),
              _stuck(FindingCode.TOKEN_STUCK),
              "The token can never leave its first owner.", symbols=("SOL", "SOUL")),
    Situation("paused", 2, LIVE, (pays("HALT"), is_accepted("HALT")), _stuck(FindingCode.TOKEN_STUCK),
              "The mint has stopped all transfers for now.", symbols=("SOL", "HALT")),
    Situation("key_lost", 2, LIVE, (pays("SOL"), is_accepted("SOL"), key_is_lost),
              _stuck(FindingCode.KEY_UNREADABLE),
              "The keypair is sealed with a Fernet key that is not configured."),
    Situation("key_in_plain_text", 1, LIVE, (pays("SOL"), is_accepted("SOL"), key_is_plain),
              _stuck(FindingCode.KEY_UNREADABLE),
              "The keypair is stored in plain text, though the shop encrypts: refused."),
    Situation("key_of_another", 1, LIVE, (pays("USDC"), is_accepted("USDC"), key_is_of_another),
              _stuck(FindingCode.KEY_MISMATCH),
              "The stored keypair is not the one of the payment's address."),
    Situation("gone_elsewhere", 1, LIVE, (pays("SOL"), goes_elsewhere("SOL"), is_accepted("SOL")),
              _stuck(FindingCode.FUNDS_ELSEWHERE),
              "The money was sent to a stranger by somebody who had the key."),
    Situation("no_payment", 1, LIVE, (pays("SOL"), is_accepted("SOL"), payment_is_deleted),
              _end(None, _PROCESSING, FindingCode.NO_PAYMENT),
              "The payment was deleted, its wallet is still to be swept."),
    Situation("no_price", 1, LIVE, (prices_are_deleted,),
              _end(_INITIATED, _CREATED, FindingCode.UNREADABLE_ROW),
              "The payment has no price, so that nobody can tell what would pay it."),
)
# fmt: on
