"""Command line options made of the classes that say what may be chosen; one field, one option, the same words."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from solpay_pipeline.operations.context.options import parse_tolerance
from solpay_pipeline.wiring.choices import CHOICES, Judging

_FLAGS = {"payment_ids": "--payment-id", "max_runtime_seconds": "--max-runtime", "as_json": "--json"}
"""Of fields whose option is not called as they are."""


class ShownAs(BaseModel):
    """How an outcome is printed."""

    as_json: bool = Field(default=False, description="Print the outcome as JSON.")


class JudgingOptions(BaseModel):
    """What a shell may say otherwise than the settings; run config cannot."""

    underpayment_tolerance: str | None = Field(
        default=None,
        description="How much less than the price still pays: a share of it (0.5%), or base units of one token "
        "(SOL:1000, MINT:1000). "
        "SOLPAY_UNDERPAYMENT_TOLERANCE where not given.",
    )

    def judging(self, settled: Judging) -> Judging:
        """The settings' judging, but for what is given here. Raises `BadOption`."""
        text = (self.underpayment_tolerance or "").strip()
        return replace(settled, tolerance=parse_tolerance(text)) if text else settled


class ExpiryOptions(JudgingOptions):
    """The same where payments expire."""

    check_history: bool = Field(
        default=True,
        description="Ask the history of every wallet before its payment expires (about three calls each). Without, an "
        "untouched wallet with a zero balance counts as never paid, which holds where only this pipeline moves money.",
    )
    watch_days: int | None = Field(
        default=None,
        description="Days of daily looks at a wallet whose payment is over. SOLPAY_WATCH_DAYS where not given.",
    )

    def judging(self, settled: Judging) -> Judging:
        """With the history and the days."""
        told = super().judging(settled)
        days = told.watch_days if self.watch_days is None else self.watch_days
        return replace(told, check_history=self.check_history, watch_days=days)


@dataclass(frozen=True, slots=True)
class Option:
    """One field as an option: `flag` says it, of a switch that is on by default `off` says no."""

    field: str
    flag: str
    off: str | None
    type: Any
    default: Any
    help: str

    @property
    def is_switch(self) -> bool:
        """It takes no value."""
        return self.type is bool

    @property
    def is_repeated(self) -> bool:
        """It may be given several times."""
        return get_origin(self.type) is list

    @property
    def value_type(self) -> Any:
        """The type of one value."""
        return get_args(self.type)[0] if self.is_repeated else self.type


def judging_options_of(command: str) -> type[JudgingOptions]:
    """What a shell may say of judging for this command."""
    return ExpiryOptions if command in ("expire", "maintain") else JudgingOptions


def options_of(command: str) -> list[Option]:
    """All options of an operation's command, in the order of its help."""
    models = (CHOICES[command], judging_options_of(command), ShownAs)
    return [option for model in models for option in _options(model)]


def as_command(command: str, words: str, run: Callable[[str, dict[str, Any]], None]) -> Callable[..., None]:
    """A function for Typer with an option for each field, which calls `run` with the values by field."""

    def called(**given: Any) -> None:
        run(command, given)

    parameters = [
        inspect.Parameter(
            option.field,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=Annotated[
                option.type if option.default is not None else option.type | None,
                typer.Option("/".join(filter(None, (option.flag, option.off))), help=option.help),
            ],
        )
        for option in options_of(command)
    ]
    called.__doc__ = words
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    # Typer reads a command's options off its signature.
    vars(called)["__signature__"] = inspect.Signature(parameters)
    return called


def _options(model: type[BaseModel]) -> Iterator[Option]:
    for name, field in model.model_fields.items():
        flag = _FLAGS.get(name) or f"--{name.replace('_', '-')}"
        yield Option(
            field=name,
            flag=flag,
            off=f"--no-{flag[2:]}" if field.default is True else None,
            type=_without_none(field.annotation),
            default=field.default,
            help=_help(field),
        )


def _help(field: FieldInfo) -> str:
    words = field.description or ""
    return f"{words} May be given several times." if get_origin(field.annotation) is list else words


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (one for one in get_args(annotation) if one is not type(None))
    return annotation
