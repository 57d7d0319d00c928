"""The shop's receiver of events: takes them, refuses them, or is struck down right after it took one."""

import random
from collections.abc import Sequence

from solpay_pipeline.events.message import Message, Report, Undelivered
from solpay_pipeline_tests.proofs.simulation.process import Death
from solpay_pipeline_tests.proofs.simulation.steps import Mood


class Receiver:
    """A sink. `taken` are the ids in the order of coming, repeated ones as often as they came."""

    name = "shop"
    at_once = 3
    patience = 10.0

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.mood: Mood = "good"
        self.dice = random.Random(0)

    def send(self, messages: Sequence[Message], report: Report) -> None:
        for message in messages:
            if self.mood == "down" or (self.mood == "flaky" and self.dice.random() < 0.5):
                report(message, Undelivered("the shop is down", is_down=self.mood == "down"))
                continue
            self.taken.append(message.id)
            if self.mood == "dies" and self.dice.random() < 0.3:
                raise Death
            report(message, None)

    def close(self) -> None:
        pass
