"""How one table describes all settings, and how texts become its values.

A row is a field of a `Table` that is annotated with a `Setting`: the field gives the default, its docstring the
description, and its name the variable. Documents, Dagster's resources and `solpay doctor` are made from the rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from solpay_pipeline.base.errors import NeedsOperator
from solpay_pipeline.settings.kind import Kind, Unfit

PREFIX = "SOLPAY_"

Value = TypeVar("Value")


class Need(IntEnum):
    """What settings are read for. Each needs all that stands before it too."""

    DATABASE = 1
    WATCH = 2
    OPERATE = 3
    SIGN = 4


class BadSetting(NeedsOperator):
    """A setting is missing or cannot be used. Its text is one line, such as `SOLPAY_CLUSTER: is missing`."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


class BadSettings(BadSetting):
    """All that is wrong with the settings, one line each; `name` and `problem` are the first one's."""

    def __init__(self, problems: Sequence[BadSetting]) -> None:
        super().__init__(problems[0].name, problems[0].problem)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def needed(value: Value | None, name: str) -> Value:
    """The value of the setting `name`, which was read for a lesser need where it is None. Raises `BadSetting`."""
    if value is None:
        raise BadSetting(name, "is missing")
    return value


@dataclass(frozen=True, slots=True)
class Given:
    """The text of a setting and where in a Django project it comes from. The text may be a secret."""

    text: str
    origin: str

    def __repr__(self) -> str:
        return f"Given({self.origin})"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    From `need` on the setting is read. The variable follows from the field unless `name` says otherwise. The one named
    by `unless` may be given instead. Where `if_empty` tells what an empty text states, that is the value `()`, and the
    variable must be present: forgetting it states nothing. `peer` is the key in the peer's `SOLANA_PAYMENTS`; only what
    is `from_django` may be given by a Django project at all.

    The rest is read off the field: `required` is one without a default.
    """

    kind: Kind[Any]
    need: Need = Need.DATABASE
    name: str = ""
    unless: str = ""
    if_empty: str = ""
    peer: str = ""
    from_django: bool = True
    field: str = ""
    description: str = ""
    required: bool = False
    default: object = None

    def is_settled(self, texts: Mapping[str, str]) -> bool:
        """Given, or another in its place. An empty text counts as absent, unless being empty is a value too."""
        text = texts.get(self.name)
        return bool(text is not None and (text.strip() or self.if_empty)) or self.is_replaced(texts)

    def is_replaced(self, texts: Mapping[str, str]) -> bool:
        """Whether the setting that may be given instead of this one is given."""
        return bool(texts.get(self.unless, "").strip())

    def value(self, text: str | None, *, is_replaced: bool) -> object:
        """The value of a text, or of none. Raises `Unfit`."""
        if text and text.strip():
            return self.kind.read(text.strip())
        if not self.required or is_replaced:
            return self.default
        if text is None:
            raise Unfit(f"is missing; leave it empty if {self.if_empty}" if self.if_empty else "is missing")
        if not self.if_empty:
            raise Unfit("is empty")
        return ()

    def shown(self, value: object) -> str:
        """A value as it may be printed: of a secret only what is public."""
        if value == () and self.if_empty:
            return self.if_empty
        return "not set" if value is None or value == () else self.kind.show(value)


class Table(BaseModel):
    """Values of settings, frozen; secrets hide themselves in repr and str."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    @cache
    def rows(cls) -> tuple[Setting, ...]:
        """The settings of this class, in the order of its fields."""
        return tuple(
            replace(
                setting,
                field=field,
                name=setting.name or f"{PREFIX}{field.upper()}",
                description=" ".join((described.description or "").split()),
                required=described.is_required(),
                default=None if described.is_required() else described.default,
            )
            for field, described in cls.model_fields.items()
            for setting in described.metadata
            if isinstance(setting, Setting)
        )

    def shown(self) -> dict[str, str]:
        """Each setting by its variable's name, as it may be printed: of secrets only what is public."""
        return {row.name: row.shown(getattr(self, row.field)) for row in self.rows()}


def read_rows(
    rows: Sequence[Setting], texts: Mapping[str, str], django: Mapping[str, Given]
) -> tuple[dict[str, Any], list[BadSetting]]:
    """Values by field, of all rows that are good, and what is wrong with the others.

    A text wins over what a Django project gives.
    """
    fields: dict[str, Any] = {}
    bad: list[BadSetting] = []
    for row in rows:
        text, origin = texts.get(row.name), ""
        if row.name in django and not row.is_settled(texts):
            text, origin = django[row.name].text, f" (from {django[row.name].origin})"
        is_replaced = row.is_replaced(texts) or row.unless in django
        try:
            fields[row.field] = row.value(text, is_replaced=is_replaced)
        except Unfit as unfit:
            bad.append(BadSetting(row.name, f"{unfit}{origin}"))
    return fields, bad
