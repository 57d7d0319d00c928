"""Starts our own programs as processes that may die, with others at work meanwhile, and takes note of how they end."""

import asyncio
import math
import traceback
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Any

from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.rpc.errors import ChainError, WrongCluster
from solpay_pipeline.events.relay import DeliveryOptions, deliver_events
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline.operations.rotate import rotate_keys
from solpay_pipeline.operations.run import run_operation
from solpay_pipeline_tests.proofs.simulation.checks import Checks
from solpay_pipeline_tests.proofs.simulation.process import CURRENT, Death, Process, bury, start
from solpay_pipeline_tests.proofs.simulation.receiver import Receiver
from solpay_pipeline_tests.proofs.simulation.steps import Both, Die, Mood, Run
from solpay_pipeline_tests.proofs.simulation.till import Till
from solpay_pipeline_tests.proofs.simulation.world import World

VARIANTS: Mapping[str, Options] = {
    "dry run": Options(dry_run=True),
    "five seconds at most": Options(max_runtime_seconds=5.0),
    "pages of one": Options(page_size=1),
    "limit of one": Options(limit=1),
    "no forwarding": Options(forward_funds=False),
    "no closing": Options(close_wallets=False),
    "no history": Options(check_history=False),
    "held funds too": Options(sweep_held_funds=True),
    "discovering": Options(discover_accounts=True),
    "not watching": Options(watch_days=0),
    "impatient": Options(patience_seconds=1.0),
    "unhurried": Options(sleep=0.5, patience_seconds=90.0),
}


class Runs:
    """Our processes. `arm_death` and `arm_deed` are for the next one."""

    def __init__(self, world: World, checks: Checks) -> None:
        self.world = world
        self.checks = checks
        self.receiver = Receiver()
        self._death: Die | None = None
        self._deeds: list[tuple[int, Callable[[], str]]] = []
        self._meanwhile: list[str] = []
        self._number = 0
        self.live: list[Process] = []

    def arm_death(self, death: Die) -> str:
        """The next process dies."""
        self._death = death
        return f"(The next process dies at its {death.kind or 'effect'} {death.at}.)"

    def arm_deed(self, at: int, deed: Callable[[], str]) -> str:
        """At the next process's `at`-th effect something happens."""
        self._deeds.append((at, deed))
        return f"(At effect {at} of the next process something happens.)"

    def disarm(self) -> None:
        """Nothing more happens to the next process."""
        self._death = None
        self._deeds = []

    def forked(self) -> None:
        """A fork came; what a process has seen may be gone."""
        for process in self.live:
            process.forked = True

    def run(self, step: Run) -> str:
        """One operation."""
        options = self._options(step.option)
        before = (
            (self.world.database.picture(), self.world.chain.history.count()) if options.dry_run else None
        )
        process = self._process(step.operation)
        end = self.world.loop.run_until_complete(self._alone(process, step.operation, options))
        if before is not None and not self._meanwhile:
            self.checks.a_dry_run_changes_nothing(before)
        name = step.operation if step.option is None else f"{step.operation} ({step.option})"
        return self._told(f"{name} runs: {end}.")

    def both(self, step: Both) -> str:
        """Two operations at once."""
        first, second = self._process(step.first), self._process(step.second, is_armed=False)

        async def two() -> tuple[str, str]:
            async def later() -> str:
                await asyncio.sleep(step.gap)
                return await self._alone(second, step.second, Options())

            return await asyncio.gather(self._alone(first, step.first, Options()), later())

        ends = self.world.loop.run_until_complete(two())
        self.world.tally["overlaps"] += 1
        return self._told(f"{step.first} and, {step.gap} s later, {step.second} run: {ends[0]}; {ends[1]}.")

    def rotate(self) -> str:
        """Rotate the wallet keys; forget the old ones where every row is under the first."""
        world = self.world
        world.set_keys([world.new_fernet_key(), *world.wallet_keys])
        process = self._process("rotate")
        rotation = self._in_one_go(process, lambda: rotate_keys(world.deployment))
        world.tally["run rotate"] += 1
        if rotation is None:
            return self._told("rotate-keys runs: it died.")
        if rotation.is_complete:
            world.set_keys(world.wallet_keys[:1])
        return self._told(f"rotate-keys runs: {rotation.renewed} renewed, {rotation.already} already.")

    def deliver(self, mood: Mood) -> str:
        """Deliver what is in the outbox."""
        self.receiver.mood = mood
        process = self._process("deliver")
        outcome = self._in_one_go(
            process,
            lambda: deliver_events(
                self.world.deployment.engine,
                [self.receiver],
                DeliveryOptions(tries=100),
                "deliver",
                clock=self.world.now,
            ),
        )
        self.world.tally["run deliver"] += 1
        if outcome is None:
            return self._told(f"deliver-events runs, the shop is {mood}: it died.")
        delivered = outcome.sinks["shop"].delivered
        return self._told(f"deliver-events runs, the shop is {mood}: {delivered} delivered.")

    def _process(self, name: str, *, is_armed: bool = True) -> Process:
        lag = max(node.view.lag for node in self.world.nodes.values())
        process = Process(name, saw=self.world.chain.tick() - lag)
        if is_armed:
            if self._death is not None:
                process.dies_at, process.dies_of = self._death.at, self._death.kind
            self._death = None
            self._meanwhile = []
            for at, deed in sorted(self._deeds, key=lambda armed: armed[0]):
                process.meanwhile.append((at, self._noted(process, deed)))
            self._deeds = []
        return process

    def _noted(self, process: Process, deed: Callable[[], str]) -> Callable[[], None]:
        def do() -> None:
            words = deed()
            self.checks.look_again()
            self._meanwhile.append(f"at effect {process.points}: {words}")
            self.world.tally["deeds meanwhile"] += 1

        return do

    def _told(self, words: str) -> str:
        noted, self._meanwhile = self._meanwhile, []
        return words + "".join(f"\n      meanwhile, {each}" for each in noted)

    async def _alone(self, process: Process, operation: str, options: Options) -> str:
        """Run an operation as a process until it ends, fails or dies; in a word, how."""
        self._number += 1
        world = self.world
        self.live.append(process)
        world.tally[f"run {operation}"] += 1
        looked_at = self._to_be_seen(operation, options)
        process.tasks.append(
            start(
                world.loop,
                process,
                run_operation(world.deployment, operation, options, f"{operation}-{self._number}"),
            )
        )
        try:
            outcome = await process.tasks[-1]
        except Death:
            world.tally["deaths"] += 1
            world.tally[f"death at {process.died_at}"] += 1
            return f"it died at its effect {process.points} ({process.died_at})"
        except WrongCluster:
            raise
        except (Blocked, ChainError) as error:
            world.tally[f"ended by {type(error).__name__}"] += 1
            self.checks.keeps_secrets(str(error))
            return f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 whatever else it is, is what is looked for
            self.checks.fail("errors are typed", "".join(traceback.format_exception(error)))
            return f"{type(error).__name__}: {error}"
        finally:
            await bury(process)
            self.live.remove(process)
        if outcome.stopped_reason == "done":
            self._seen(looked_at)
        return _in_words(outcome)

    def _to_be_seen(self, operation: str, options: Options) -> list[tuple[Till, int]]:
        """Payments whose rows this run must read, with the version that stands now."""
        if operation != "recheck" or options != Options():
            return []
        return [
            (till, len(till.versions))
            for till in self.world.tills
            if not till.is_elsewhere and self.checks.payments.get(till.payment_id) == "initiated"
        ]

    def _seen(self, looked_at: list[tuple[Till, int]]) -> None:
        """What nobody changed while we looked, we have seen."""
        for till, versions in looked_at:
            if len(till.versions) == versions:
                till.seen(math.ceil(self.world.unix_time()))

    def _in_one_go(self, process: Process, work: Callable[[], Any]) -> Any:
        """Run what never waits; None where it died."""

        def as_process() -> Any:
            CURRENT.set(process)
            return work()

        self.live.append(process)
        try:
            return copy_context().run(as_process)
        except Death:
            self.world.tally["deaths"] += 1
            self.world.tally[f"death at {process.died_at or 'delivery'}"] += 1
            return None
        finally:
            self.live.remove(process)

    def _options(self, option: str | None) -> Options:
        ids = [till.payment_id for till in self.world.tills]
        match option:
            case None:
                return Options()
            case "one payment":
                return Options(payment_ids=frozenset(ids[-1:]))
            case "two payments":
                return Options(payment_ids=frozenset(ids[:2]))
        return VARIANTS[option]


def _in_words(outcome: Outcome) -> str:
    counts = {name: count for name, count in outcome.counts().items() if count}
    told = ", ".join(f"{name} {count}" for name, count in counts.items()) or "nothing"
    return told if outcome.stopped_reason == "done" else f"{told}; stopped: {outcome.stopped_reason}"
