"""Handlers as a merchant writes them."""

from typing import Any

seen: list[dict[str, Any]] = []
asked: list[str] = []


def take(event: dict[str, Any]) -> None:
    seen.append(event)


async def take_async(event: dict[str, Any]) -> None:
    seen.append({**event, "async": True})


def refuse(event: dict[str, Any]) -> None:
    asked.append(event["id"])
    raise ValueError("the password is hunter2")


def change_and_take(event: dict[str, Any]) -> None:
    event["data"]["payment_id"] = "changed"


not_callable = 5
