"""Turns the runtime's answer into what a block or a simulation records: lamport and token balances before and after,
and memos.
"""

from collections.abc import Callable, Mapping, Sequence

from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.history import Executed, TokenBalance
from solpay_pipeline.localnet.chain.runtime import Outcome
from solpay_pipeline.localnet.chain.token_layout import (
    MEMO_PROGRAM,
    TOKEN_PROGRAMS,
    read_mint,
    read_token_account,
)
from solpay_pipeline.localnet.chain.transactions import Decoded

Accounts = Mapping[Pubkey, Account | None]


def executed(
    decoded: Decoded,
    outcome: Outcome,
    before: Accounts,
    after: Accounts,
    read: Callable[[Pubkey], Account | None],
) -> Executed:
    """One transaction's result. `before` holds all its addresses, `after` those that it may write. `read` finds mints
    that it moves without naming them (an unchecked transfer).
    """
    both = {**before, **after}
    mint_of = _mint_reader(before, both, read)
    return Executed(
        err=outcome.err,
        fee=outcome.fee,
        logs=outcome.logs,
        compute_units=outcome.compute_units,
        inner_instructions=outcome.inner_instructions,
        return_data=outcome.return_data,
        pre_balances=_lamports(decoded.keys, before),
        post_balances=_lamports(decoded.keys, both),
        pre_token_balances=_token_balances(decoded.keys, before, mint_of),
        post_token_balances=_token_balances(decoded.keys, both, mint_of),
    )


def memo_of(decoded: Decoded) -> str | None:
    """The memos of a transaction as getSignaturesForAddress shows them: `[bytes] text`, joined by `; `."""
    memos = []
    for instruction in decoded.transaction.message.instructions:
        index = instruction.program_id_index
        if index < len(decoded.static_keys) and decoded.static_keys[index] == MEMO_PROGRAM:
            raw = bytes(instruction.data)
            memos.append(f"[{len(raw)}] {raw.decode(errors='replace')}")
    return "; ".join(memos) or None


def _lamports(keys: Sequence[Pubkey], accounts: Accounts) -> tuple[int, ...]:
    return tuple(account.lamports if (account := accounts[key]) is not None else 0 for key in keys)


def _mint_reader(
    before: Accounts, after: Accounts, read: Callable[[Pubkey], Account | None]
) -> Callable[[Pubkey], int | None]:
    def decimals(mint: Pubkey) -> int | None:
        account = after.get(mint) or before.get(mint) or read(mint)
        state = None if account is None else read_mint(account.owner, account.data)
        return None if state is None else state.decimals

    return decimals


def _token_balances(
    keys: Sequence[Pubkey], accounts: Accounts, decimals_of: Callable[[Pubkey], int | None]
) -> tuple[TokenBalance, ...]:
    found = []
    for index, key in enumerate(keys):
        account = accounts[key]
        if account is None or account.owner not in TOKEN_PROGRAMS:
            continue
        token_account = read_token_account(account.owner, account.data)
        decimals = None if token_account is None else decimals_of(token_account.mint)
        if token_account is not None and decimals is not None:
            found.append(
                TokenBalance(
                    index,
                    token_account.mint,
                    token_account.owner,
                    account.owner,
                    token_account.amount,
                    decimals,
                )
            )
    return tuple(found)
