"""P8 to P14: what the peer does not see, cannot bear, or takes more of than it should."""

from typing import Final

from solpay_pipeline_tests.proofs.mutants.defect import Defect, Edit

MANNERS, POISON = "money/attacks/test_manners.py", "money/attacks/test_poison.py"
JUDGING = "money/test_judging.py"
DELIVERY = "rooms/events/test_delivery.py"

OF_CONDUCT: Final = (
    Defect(
        "P8a",
        "payments by transactions of version 1 cannot be read",
        (Edit("chain/rpc/client.py", "HIGHEST_VERSION = 1\n", "HIGHEST_VERSION = 0\n"),),
        ("rooms/chain/test_history.py::test_a_payment_by_a_version_1_transaction_counts",),
    ),
    Defect(
        "P8b",
        "a transaction of a version that is too new ends the run",
        (
            Edit(
                "chain/reading/history.py",
                "(HistoryTooLong, HistoryUnfinished, Unanswered, UnknownCursor, UnsupportedVersion)",
                "(HistoryTooLong, HistoryUnfinished, Unanswered, UnknownCursor)",
            ),
        ),
        (f"{POISON}::test_a_transaction_of_a_version_nobody_knows_yet_stops_nobody_else",),
    ),
    Defect(
        "P9a",
        "only the two newest signatures are read",
        (Edit("chain/reading/history.py", "PAGE: Final = 1_000\n", "PAGE: Final = 2\n"),),
        (
            "rooms/chain/test_history.py::test_several_payments_in_lamports_are_each_a_flow_oldest_first",
            "rooms/chain/test_history.py::test_a_payment_under_a_thousand_dust_transfers_is_found",
        ),
    ),
    Defect(
        "P9b",
        "recheck takes the newest payments first, and the same in every run",
        (
            Edit(
                "ledger/seen/looks.py",
                "        .order_by(look.c.looked_at.is_not(None), look.c.looked_at, payment_id)\n",
                "        .order_by(payment_id.desc())\n",
            ),
        ),
        (f"{JUDGING}::test_s10_a_limit_starves_no_payment",),
    ),
    Defect(
        "P9c",
        "recheck creates token accounts while it looks",
        (
            Edit(
                "operations/recheck.py",
                "    worth_a_look = [",
                "    mints = [mint for snapshot in snapshots for mint in snapshot.mints.values() if not isinstance(mint, str)]\n"
                "    routing = Sweeper.of(context).receiver_accounts\n"
                "    await routing._learn(mints, await context.chain.destinations(context.deployment.receiver, mints, commitment=context.deployment.commitment), {mint.address for mint in mints})\n"
                "    worth_a_look = [",
            ),
        ),
        ("money/test_closing.py::test_s08_recheck_and_sweep_leave_unpaid_live_payments_alone",),
    ),
    Defect(
        "P9d",
        "the last signature of the list is kept, which is not the one that paid",
        (
            Edit(
                "lifecycle/judgement.py",
                "        signature=completing.signature,\n",
                "        signature=incoming[0].signature,\n",
            ),
        ),
        (f"{JUDGING}::test_s18_two_halves_in_time_are_a_payment",),
    ),
    Defect(
        "P10a",
        "the node is asked inside a database transaction",
        (
            Edit(
                "operations/looking/snapshots.py",
                "import OperationContext\n",
                "import OperationContext\nfrom solpay_pipeline.base.database import reading\n",
            ),
            Edit(
                "operations/looking/snapshots.py",
                "    all_holdings, mints = await context.chain.holdings_and_mints(\n",
                "    with reading(context.deployment.engine):\n"
                "     all_holdings, mints = await context.chain.holdings_and_mints(\n",
            ),
        ),
        (f"{MANNERS}::test_no_database_connection_is_held_while_the_node_is_asked",),
    ),
    Defect(
        "P10b",
        "every call opens a connection of its own",
        (
            Edit(
                "chain/rpc/transport.py",
                "                    limit=self._max_connections, ssl",
                "                    force_close=True, ssl",
            ),
        ),
        ("rooms/chain/test_rpc_answers.py::test_many_calls_share_few_connections",),
    ),
    Defect(
        "P10c",
        "every account is a call of its own",
        (Edit("chain/rpc/client.py", "ACCOUNTS_PER_CALL = 100\n", "ACCOUNTS_PER_CALL = 1\n"),),
        ("rooms/chain/test_accounts.py::test_two_hundred_wallets_cost_as_many_calls_as_their_accounts_need",),
    ),
    Defect(
        "P10d",
        "no priority fee is paid, whatever others pay",
        (
            Edit(
                "operations/context/chain_facts.py",
                "            if deployment.max_priority_fee:\n",
                "            if False:\n",
            ),
        ),
        (f"{MANNERS}::test_where_others_pay_for_priority_so_do_we_and_never_more_than_allowed",),
    ),
    Defect(
        "P10e",
        "no limit of compute units is set",
        (
            Edit(
                "chain/sending/instructions.py",
                "    return (limit, set_compute_unit_price(unit_price)) if unit_price else (limit,)\n",
                "    return (set_compute_unit_price(unit_price),) if unit_price else ()\n",
            ),
        ),
        ("rooms/chain/test_packing_compute.py", "rooms/chain/test_packing.py"),
    ),
    Defect(
        "P10f",
        "the fee payer's balance is not looked at",
        (
            Edit(
                "operations/moving/submission.py",
                "        if facts.fee_payer_lamports - fee < facts.fee_payer_floor:\n",
                "        if False:\n",
            ),
        ),
        (f"{POISON}::test_a_fee_payer_without_money_keeps_nobody_from_being_credited",),
    ),
    Defect(
        "P10g",
        "one transaction that does not confirm holds up the command for 90 s",
        (
            Edit(
                "operations/moving/submission.py",
                "        patience_seconds=context.patience() if patience_seconds is None else patience_seconds,\n",
                "        patience_seconds=90.0,\n",
            ),
        ),
        (
            "money/test_sweeping.py::test_s17_a_dropped_transaction_holds_up_nobody_else_for_longer_than_patience",
        ),
    ),
    Defect(
        "P11a",
        "a keypair in plain text is taken where wallets are encrypted",
        (
            Edit(
                "records/vault.py",
                "            if is_plain:\n                raise",
                "            if False:\n                raise",
            ),
            Edit(
                "records/vault.py",
                "            if plain is None:\n                raise",
                "            plain = content if plain is None else plain\n            if plain is None:\n                raise",
            ),
        ),
        ("rooms/records/test_vault.py::test_plain_keypairs_open_only_where_plain_is_configured",),
    ),
    Defect(
        "P11b",
        "one key alone opens keypairs, so that a change of keys is an outage",
        (Edit("records/vault.py", "MultiFernet(self._fernets) if", "MultiFernet(self._fernets[:1]) if"),),
        ("rooms/records/test_vault.py",),
    ),
    Defect(
        "P12a",
        "an event whose delivery failed is not submitted again",
        (
            Edit(
                "events/relay.py",
                "            if trouble is None:\n                settle",
                "            if trouble is None or not trouble.is_final:\n                settle",
            ),
        ),
        (f"{DELIVERY}::test_a_retry_has_the_same_id_and_the_same_words",),
    ),
    Defect(
        "P12b",
        "an event counts as told before it is sent, and a crash loses it",
        (
            Edit(
                "ledger/deliveries.py",
                "        .values(claim=token, claimed_until=now + lease)\n",
                "        .values(claim=token, claimed_until=now + lease, ended_at=now, outcome=Ending.TAKEN)\n",
            ),
        ),
        (f"{DELIVERY}::test_a_deliverer_that_is_interrupted_leaves_its_events_to_the_next",),
    ),
    Defect(
        "P13a",
        "one keypair that cannot be opened ends the run",
        (
            Edit(
                "operations/moving/execution.py",
                "            except KeyUnreadable as error:\n"
                "                results.append(_aside(wallet, FindingCode.KEY_UNREADABLE, str(error)))\n",
                "",
            ),
        ),
        (f"{POISON}::test_a_keypair_that_no_key_opens_stops_nobody_else",),
    ),
    Defect(
        "P13b",
        "one bad answer about one wallet ends the run",
        (
            Edit(
                "operations/looking/snapshots.py",
                "    except history.UNTOLD as error:\n",
                "    except ZeroDivisionError as error:\n",
            ),
        ),
        (f"{POISON}::test_a_wallet_whose_history_has_a_hole_stops_nobody_else",),
    ),
    Defect(
        "P13c",
        "one wallet without a payment ends the run",
        (
            Edit(
                "operations/looking/pages.py",
                '            words = "no payment points at this wallet; its address and what it holds are unknown"\n',
                '            words = "no payment points at this wallet; its address and what it holds are unknown"\n'
                "            raise LookupError(words)\n",
            ),
        ),
        (f"{POISON}::test_a_wallet_whose_payment_was_deleted_stops_nobody_else",),
    ),
    Defect(
        "P14a",
        "every empty wallet that sweep meets has all expired wallets closed once more",
        (
            Edit(
                "operations/sweep.py",
                "        jobs = await self._jobs([*accepted, *resolved.released])\n",
                "        from solpay_pipeline.operations.reclaim import reclaim\n\n"
                "        if self.context.tally.returned:\n            await reclaim(self.context)\n"
                "        jobs = await self._jobs([*accepted, *resolved.released])\n",
            ),
        ),
        (f"{MANNERS}::test_a_sweep_of_empty_wallets_costs_the_same_however_many_others_wait_to_be_closed",),
    ),
    Defect(
        "P14b",
        "whole tables are loaded at once",
        (
            Edit(
                "operations/looking/database_records.py",
                "            after_wallet_id=after,\n            limit=self.options.page_size,\n",
                "            after_wallet_id=after,\n            limit=1_000_000,\n",
            ),
        ),
        (f"{MANNERS}::test_no_more_wallets_are_read_at_once_than_a_page_holds",),
    ),
    Defect(
        "P14c",
        "what is searched for has no index",
        (
            Edit(
                "ledger/migrations/versions/0001_first_tables.py",
                '    op.create_index(op.f("ix_solpay_leg_wallet_id"), "solpay_leg", ["wallet_id"], unique=False)\n',
                "",
            ),
        ),
        ("rooms/events/test_migrations.py::test_the_migrations_and_the_tables_of_the_code_agree",),
    ),
)
