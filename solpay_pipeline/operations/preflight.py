"""The preflight: what does not fit (cluster, receiver, schema) stops an operation here, before it signs anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from solders.pubkey import Pubkey
from sqlalchemy import inspect

from solpay_pipeline.base.database import reading
from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.reading.accounts import usable_mints
from solpay_pipeline.chain.reading.clock import CLOCK_SYSVAR, first_block_time, time_of_slot
from solpay_pipeline.chain.reading.rpc_chain import RpcChain
from solpay_pipeline.chain.rpc.answers import told
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.transactions import newest_final
from solpay_pipeline.lifecycle.terms import PaymentStatus
from solpay_pipeline.operations.binding import MINTS_AT_FIRST, Served, bound, check_receiver
from solpay_pipeline.operations.changes.planned_books import PlannedBooks
from solpay_pipeline.operations.changes.written_books import WrittenBooks
from solpay_pipeline.operations.changes.written_finality import WrittenFinality
from solpay_pipeline.operations.changes.written_journal import WrittenJournal
from solpay_pipeline.operations.context.books import Books
from solpay_pipeline.operations.context.chain_facts import ChainFacts
from solpay_pipeline.operations.context.context import NewMover, OperationContext, Progress
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Tally
from solpay_pipeline.operations.fee_payer import with_known_fee_payer
from solpay_pipeline.operations.looking.database_records import DatabaseRecords
from solpay_pipeline.operations.moving.execution import PlanningMover, SendingMover
from solpay_pipeline.operations.moving.keyless import KeylessMover
from solpay_pipeline.records.queries import token_mints, wallet_addresses_exist

# A slot may be skipped or too young to have a time; the one before is at most half a second older.
_BLOCK_TIME_TRIES = 8


@asynccontextmanager
async def open_context(
    deployment: Deployment,
    options: Options,
    run: RunRef,
    progress: Progress,
    tally: Tally | None = None,
) -> AsyncIterator[OperationContext]:
    """Check everything that could send money the wrong way, then begin.

    At first use the ledger is bound to the cluster and the receiver, except in a dry run.

    Raises `Blocked` and `AnotherCluster` for what an operator must mend, `WrongCluster` and the transient errors of the
    chain.
    """
    deployment, mints = _check_records(deployment)
    async with deployment.open_rpc(options.sleep) as rpc:
        genesis_hash = await rpc.check_cluster(deployment.cluster)
        keys = [deployment.receiver, deployment.fee_payer.pubkey, CLOCK_SYSVAR, *mints]
        answer = await rpc.accounts(keys, commitment=deployment.commitment)
        receiver, payer, clock = map(told, answer.accounts[:3])
        with reading(deployment.engine) as connection:
            final = newest_final(connection)
        rpc.know(deployment.fee_payer.pubkey if receiver is None else deployment.receiver, final)
        of_mints = answer.accounts[3:]
        check_receiver(deployment.receiver, receiver)
        binding = bound(
            deployment.engine,
            Served.of(genesis_hash, zip(mints, of_mints, strict=True)),
            deployment.receiver,
            deployment.clock(),
            only_look=options.dry_run,
        )
        tally = Tally() if tally is None else tally
        books, new_mover = _effects(deployment, options, run, tally)
        context = OperationContext(
            deployment=deployment,
            options=options,
            run=run,
            rpc=rpc,
            facts=ChainFacts(rpc, deployment, fee_payer_lamports=0 if payer is None else payer.lamports),
            chain=RpcChain(rpc),
            records=DatabaseRecords(deployment.engine, deployment.tables, options),
            books=books,
            journal=WrittenJournal(deployment, run, tally),
            finality=WrittenFinality(deployment, run, tally),
            new_mover=new_mover,
            chain_slot=answer.slot,
            chain_time=time_of_slot(clock, answer.slot)
            or await first_block_time(rpc, range(answer.slot, answer.slot - _BLOCK_TIME_TRIES, -1)),
            receiver_exists=receiver is not None,
            binding=binding,
            progress=progress,
            tally=tally,
            mints=usable_mints(zip(mints, of_mints, strict=True)),
        )
        try:
            yield context
        finally:
            await deployment.fee_payer.aclose()


def _effects(deployment: Deployment, options: Options, run: RunRef, tally: Tally) -> tuple[Books, NewMover]:
    """Where effects go and who moves: the one place that knows what a dry run is."""
    if options.dry_run:
        planned = PlannedBooks(PaymentStatus(deployment.acceptance))
        return planned, partial(PlanningMover, planned)
    return WrittenBooks(deployment, run, tally), SendingMover if deployment.has_keys else KeylessMover


def _check_records(deployment: Deployment) -> tuple[Deployment, list[Pubkey]]:
    """The deployment with its fee payer as known, and the mints of the shop's tokens, once all that is written fits."""
    with reading(deployment.engine) as connection:
        present = set(inspect(connection).get_table_names())
        missing = [table.name for table in deployment.tables.all if table.name not in present]
        if missing:
            raise Blocked(
                f"the database has no table {missing[0]}: run `solpay init`, or the shop's own migrations, "
                "or set SOLPAY_PAYMENT_TABLE and SOLPAY_TOKEN_TABLE"
            )
        migrate.require_current(connection)
        deployment = with_known_fee_payer(deployment, connection)
        receiver, fee_payer = str(deployment.receiver), str(deployment.fee_payer.pubkey)
        ours = wallet_addresses_exist(connection, deployment.tables, [receiver, fee_payer])
        for address, what, remedy in (
            (fee_payer, "fee payer", "SOLPAY_FEE_PAYER_KEYPAIR to a key of its own"),
            (receiver, "receiver", "SOLPAY_RECEIVER_ADDRESS to the merchant's main wallet"),
        ):
            if address in ours:
                raise Blocked(f"the {what} {address} is one of the shop's own one-time wallets; set {remedy}")
        return deployment, token_mints(connection, deployment.tables, limit=MINTS_AT_FIRST)
