"""P1 to P7 and P15: what the peer does wrong with money and with the rows that tell of it."""

from typing import Final

from solpay_pipeline_tests.proofs.mutants.defect import Defect, Edit

CLOSING, JUDGING, SWEEPING = (f"money/test_{name}.py" for name in ("closing", "judging", "sweeping"))

OF_MONEY: Final = (
    Defect(
        "P1a",
        "payments expire, their wallets are not marked",
        (
            Edit(
                "operations/changes/written_books.py",
                "            self._set_wallets(connection, _wallets(batch), WalletState.PAYMENT_EXPIRED)\n",
                "",
            ),
        ),
        (f"{CLOSING}::test_s01_no_commit_leaves_a_payment_expired_and_its_wallet_unmarked",),
    ),
    Defect(
        "P1b",
        "payments expire, their wallets are not marked, and no later run finds them",
        (
            Edit(
                "operations/changes/written_books.py",
                "            self._set_wallets(connection, _wallets(batch), WalletState.PAYMENT_EXPIRED)\n",
                "",
            ),
            Edit(
                "operations/expire.py",
                "chain(due_pages(context), _forgotten_pages(context))",
                "due_pages(context)",
            ),
        ),
        (f"{CLOSING}::test_s01_expire_without_closing_leaves_the_closing_to_reclaim",),
    ),
    Defect(
        "P2a",
        "payments expire by the clock alone, without a look at the chain",
        (
            Edit(
                "operations/expire.py",
                "if context.options.check_history or not _is_plain(snapshot):",
                "if snapshot.payment.status is not PaymentStatus.INITIATED:",
            ),
        ),
        (f"{JUDGING}::test_s19_a_payment_in_time_is_accepted_though_expire_runs_first",),
    ),
    Defect(
        "P2b",
        "an expired payment can no longer be accepted",
        (
            Edit(
                "lifecycle/resolution.py",
                "    if judgement.standing is Standing.PAID:\n",
                "    if judgement.standing is Standing.PAID and payment.status is PaymentStatus.INITIATED:\n",
            ),
        ),
        (
            f"{JUDGING}::test_s09_what_the_peer_expired_over_a_payment_in_time_is_accepted_by_plain_maintenance",
        ),
    ),
    Defect(
        "P2c",
        "recheck reads initiated payments only",
        (
            Edit(
                "operations/recheck.py",
                "        statuses.add(PaymentStatus.EXPIRED)\n",
                "        statuses.add(PaymentStatus.INITIATED)\n",
            ),
        ),
        (f"{JUDGING}::test_s09_a_recheck_of_named_payments_accepts_what_the_peer_expired_long_ago",),
    ),
    Defect(
        "P2d",
        "money that comes late has no owner",
        (Edit("operations/expire.py", "    await look_for_late_money(context)\n", ""),),
        (
            f"{CLOSING}::test_s03_money_that_came_late_to_an_expired_wallet_is_held_and_never_called_closed",
            "money/attacks/test_unseen_money.py::test_money_that_comes_after_expiry_is_noticed_where_wallets_are_not_closed",
        ),
    ),
    Defect(
        "P2e",
        "a change asks again for the payment's status alone, not for all that it rests on",
        (
            Edit(
                "records/premises.py",
                "if now.get(one.payment_id) == one",
                "if one.payment_id in now and now[one.payment_id].status is one.status",
            ),
        ),
        ("operations/test_premises.py",),
    ),
    Defect(
        "P3a",
        "a close that failed counts as done",
        (
            Edit(
                "operations/reclaim.py",
                "        await reconcile(self.context, wallets, closing)\n",
                "        await reconcile(self.context, wallets, closing)\n"
                "        self.context.books.change_state(wallets, WalletState.CLOSED)\n",
            ),
        ),
        (f"{CLOSING}::test_s04_a_wallet_whose_close_could_not_be_sent_is_not_called_closed",),
    ),
    Defect(
        "P3b",
        "a wallet that still holds tokens is closed",
        (
            Edit(
                "lifecycle/holdings.py",
                "        return is_bare and all(token.is_empty for token in self.accounts)\n",
                "        return is_bare\n",
            ),
        ),
        (f"{CLOSING}::test_s03_an_expired_wallet_that_holds_a_payment_made_in_time_is_accepted_and_swept",),
    ),
    Defect(
        "P3c",
        "a refused read of a balance is an empty wallet",
        (
            Edit(
                "chain/rpc/client.py",
                "    ShortHistory,\n    Unreadable,\n)\n",
                "    ShortHistory,\n    Transient,\n    Unreadable,\n)\n",
            ),
            Edit(
                "chain/rpc/client.py",
                "        slot, accounts = await self._accounts.read(list(map(str, keys)), reader)\n",
                "        try:\n"
                "            slot, accounts = await self._accounts.read(list(map(str, keys)), reader)\n"
                "        except Transient:\n"
                "            slot, accounts = min_context_slot or 0, (None,) * len(keys)\n",
            ),
        ),
        ("rooms/chain/test_accounts.py::test_a_failing_node_is_an_error_and_not_an_empty_wallet",),
    ),
    Defect(
        "P4a",
        "recheck marks wallets as paid before it has looked",
        (
            Edit(
                "operations/recheck.py",
                "    snapshots = await take_snapshots(\n",
                "    fresh = [wallet for wallet in wallets if wallet.state is WalletState.CREATED]\n"
                "    context.books.change_state(fresh, WalletState.PROCESSING_PAYMENT)\n"
                "    snapshots = await take_snapshots(\n",
            ),
        ),
        (f"{CLOSING}::test_s08_recheck_and_sweep_leave_unpaid_live_payments_alone",),
    ),
    Defect(
        "P4b",
        "sweep closes the accounts of a live wallet that is empty",
        (
            Edit(
                "operations/sweep.py",
                "        resolved = await judge_and_resolve(self.context, others, policy)\n"
                "        jobs = await self._jobs([*accepted, *resolved.released])\n"
                "        return RoundPlan(tuple(jobs), tuple(resolved.accepted))\n",
                "        return RoundPlan(tuple(await self._jobs(snapshots)))\n",
            ),
        ),
        (f"{CLOSING}::test_s08_recheck_and_sweep_leave_unpaid_live_payments_alone",),
    ),
    Defect(
        "P5a",
        "where there are lamports they are moved and the tokens stay, and the wallet is called swept",
        (
            Edit(
                "lifecycle/planning.py",
                "    for token in holdings.tokens:\n        mint =",
                "    for token in () if holdings.lamports else holdings.tokens:\n        mint =",
            ),
            Edit(
                "operations/sweep.py",
                "        route = await self.receiver_accounts.route(snapshots)\n",
                "        sent = self.context.records.moved_home([snapshot.wallet.id for snapshot in snapshots])\n"
                "        done = [snapshot for snapshot in snapshots if snapshot.wallet.id in sent]\n"
                "        self.context.books.rest_swept(done)\n"
                "        snapshots = [snapshot for snapshot in snapshots if snapshot not in done]\n"
                "        route = await self.receiver_accounts.route(snapshots)\n",
            ),
        ),
        (f"{SWEEPING}::test_s02_lamports_and_tokens_of_one_wallet_both_go_home",),
    ),
    Defect(
        "P6a",
        "a transaction that failed on chain counts as landed",
        (
            Edit(
                "chain/sending/broadcast.py",
                "        if status.err is None:\n",
                "        if status.err != 0:\n",
            ),
        ),
        ("rooms/chain/test_broadcast.py::test_a_failure_on_chain_is_failed_only_when_final",),
    ),
    Defect(
        "P6b",
        "a transaction that failed on chain counts as landed for the run after",
        (
            Edit(
                "operations/moving/settle.py",
                "        if status is None or isinstance(status, Untold) or status.err is not None:\n",
                "        if status is None or isinstance(status, Untold):\n",
            ),
        ),
        (f"{SWEEPING}::test_s16_a_failure_that_the_next_run_finds_final_is_not_called_sent_either",),
    ),
    Defect(
        "P6c",
        "what is not confirmed when patience ends has failed, and is signed again",
        (
            Edit(
                "chain/sending/broadcast.py",
                "            self._settle(each, Fate.IN_FLIGHT)\n",
                "            self._settle(each, Fate.DEAD)\n",
            ),
        ),
        (f"{SWEEPING}::test_s17_a_dropped_transaction_holds_up_nobody_else_for_longer_than_patience",),
    ),
    Defect(
        "P6d",
        "a signature is called dead before its blockhash has expired",
        (
            Edit(
                "chain/sending/expiry.py",
                "    if clocks.height <= claim.last_valid_block_height + HEIGHT_MARGIN:\n        return Alive(status)\n",
                "",
            ),
            Edit(
                "chain/sending/expiry.py",
                "if height > claim.last_valid_block_height + HEIGHT_MARGIN]",
                "if height]",
            ),
        ),
        ("rooms/chain/test_expiry.py",),
    ),
    Defect(
        "P6e",
        "there is no ledger",
        (
            Edit(
                "operations/changes/written_journal.py",
                "                transactions.record_all(connection, entries, self.run, now)\n",
                "",
            ),
        ),
        (f"{SWEEPING}::test_s07_a_sweep_that_landed_though_its_answer_was_lost_is_found",),
    ),
    Defect(
        "P7a",
        "tokens are moved by the unchecked transfer",
        (
            Edit(
                "chain/sending/instructions.py",
                'bytes([TRANSFER_CHECKED]) + action.amount.to_bytes(8, "little") + bytes([action.decimals])',
                'bytes([3]) + action.amount.to_bytes(8, "little")',
            ),
            Edit(
                "chain/sending/instructions.py",
                "        _written(action.source),\n        AccountMeta(action.mint, False, False),\n",
                "        _written(action.source),\n",
            ),
        ),
        ("rooms/chain/test_instructions.py",),
    ),
    Defect(
        "P7b",
        "withheld fees are not harvested before the close",
        (Edit("lifecycle/planning.py", "    if token.withheld == 0:\n", "    if token.withheld >= 0:\n"),),
        (
            f"{JUDGING}::test_s06_a_transfer_fee_mint_is_short_by_its_fee_or_paid_and_its_withheld_fees_are_harvested",
        ),
    ),
    Defect(
        "P7c",
        "all accounts of a wallet are closed by the program of the last",
        (
            Edit(
                "lifecycle/planning.py",
                "            steps.append(_closing(token, route))\n",
                "            last = replace(token.mint, program=holdings.tokens[-1].mint.program)\n"
                "            steps.append(_closing(replace(token, mint=last), route))\n",
            ),
        ),
        (f"{CLOSING}::test_s05_accounts_of_both_token_programs_close_and_their_rent_comes_back",),
    ),
    Defect(
        "P15a",
        "token accounts of a payment that names no paid token are never asked",
        (
            Edit(
                "operations/looking/snapshots.py",
                "    named = [(payment.address, payment.mints) for _, payment in owned]\n",
                "    named = [(one.address, one.mints if one.paid_token_id else ()) for _, one in owned]\n",
            ),
        ),
        (f"{CLOSING}::test_s03_an_expired_wallet_that_holds_a_payment_made_in_time_is_accepted_and_swept",),
    ),
    Defect(
        "P2f",
        "the watch counts from the last look, not from when the payment was over",
        (
            Edit(
                "operations/changes/written_books.py",
                "one.payment.expires_at for one in snapshots",
                "now for one in snapshots",
            ),
        ),
        (
            "operations/test_late_money.py",
            "money/test_final_states.py",
        ),
    ),
    Defect(
        "P3d",
        "what is beyond the rent of a token account counts as rent",
        (
            Edit(
                "lifecycle/rent.py",
                "    return any(lamports",
                "    return True or any(lamports",
            ),
        ),
        ("money/test_money_at_token_accounts.py",),
    ),
    Defect(
        "P5b",
        "what reached the receiver explains all that left",
        (
            Edit(
                "operations/looking/external_movements.py",
                "    lost = [one for one in statement.money if _is_lost(snapshot, one)]\n",
                "    lost = [one for one in statement.money if _is_lost(snapshot, one)]\n    if any(one.entry_class is EntryClass.WENT_HOME for one in statement.money):\n        lost = []\n",
            ),
        ),
        ("money/test_thefts.py",),
    ),
    Defect(
        "P14d",
        "of thousands of ids a statement takes the first thousand",
        (
            Edit(
                "base/sql.py",
                "    listed = list(values)\n",
                "    listed = list(values)[:1000]\n",
            ),
        ),
        ("rooms/records/test_bulk.py",),
    ),
    Defect(
        "P15b",
        "only the accounts of priced mints are a wallet's",
        (
            Edit(
                "operations/looking/snapshots.py",
                "    if not unusual:\n        return snapshot\n",
                "    if unusual is not None:\n        return snapshot\n",
            ),
        ),
        ("money/test_accounts_that_history_names.py",),
    ),
    Defect(
        "P9e",
        "a transaction with fewer balances than accounts is read as far as it goes",
        (
            Edit(
                "chain/rpc/parsing.py",
                "    if not len(keys) == len(before) == len(after):\n",
                "    if len(keys) != len(before):\n",
            ),
        ),
        ("rooms/chain/test_rpc_answers.py",),
    ),
)
