"""The frozen objects that workspace.yaml becomes; what each key may hold, said once."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from healthlib.address import read_address
from healthlib.adoptions import Adopted
from healthlib.config import Scorecard
from healthlib.frozen import MOST_DAYS
from healthlib.terms import Frozen, Texts, refuse
from healthlib.whereabouts import AddressError, read_place


class TableSource(Frozen):
    """Where one table comes from: a `file` or a `table` of the database with `columns` (canonical -> theirs), or a query.

    `sql` is run over files by the embedded database, `query` by the database that `database:` names.
    """

    file: str | None = Field(None, min_length=1)
    sql: str | None = Field(None, min_length=1)
    table: str | None = Field(None, min_length=1)
    query: str | None = Field(None, min_length=1)
    columns: dict[str, str] = Field(default_factory=dict)
    time: str | None = Field(None, min_length=1)
    lag_days: int = Field(0, ge=0, le=MOST_DAYS)


class FlatOutcome(Frozen):
    """Which column of a flat sheet holds the outcome, and which of its values (upper and lower case alike) mean that the customer left."""

    column: str = Field(min_length=1)
    churned: Texts


class FlatAmount(Frozen):
    """A column of money and what it is multiplied by to be a year's: 12 for a monthly price."""

    column: str = Field(min_length=1)
    times: float = Field(1.0, gt=0)


def _amount(value: Any) -> Any:
    """A column's name alone is that column, as it is."""
    return {"column": value} if isinstance(value, str) else value


def _named(value: Any) -> Any:
    """A list of columns keeps their names."""
    plain = isinstance(value, tuple | list) and all(isinstance(item, str) for item in value)
    return {item: item for item in value} if plain else value


class FlatSpec(Frozen):
    """One sheet, one row per account: a `file` (or an `sql` query) in the place of all tables.

    Without `account_id` a row goes by its line; without `arr` every account counts 1. `attributes` are columns to group by: a list, or
    our name -> theirs.
    """

    file: str | None = Field(None, min_length=1)
    sql: str | None = Field(None, min_length=1)
    account_id: str | None = Field(None, min_length=1)
    outcome: FlatOutcome
    arr: Annotated[FlatAmount, BeforeValidator(_amount)] | None = None
    attributes: Annotated[dict[str, str], BeforeValidator(_named)] = Field(default_factory=dict)


class OutcomeSpec(Frozen):
    """What counts as an outcome, and from how far ahead it is predicted."""

    kind: Literal["renewal", "churn_within", "expansion"] = "renewal"
    lead_days: int = Field(90, ge=0, le=MOST_DAYS)
    horizon_days: int = Field(90, gt=0, le=MOST_DAYS)
    grace_days: int = Field(30, ge=0, le=MOST_DAYS)
    expansion_over: float = 0.0


class SuccessSpec(Frozen):
    """Who counts as a successful customer: each bar is a least; a bar of 0 asks nothing.

    `renewals` are finished terms that were kept (where customers pay by the month, whole years since the first contract), `arr_kept` is ARR
    today / ARR a year ago, `use_points` the mean points (0..100) of the metrics of use and contact, `tenure_days` the days since the first
    contract.
    """

    renewals: int = Field(1, ge=0)
    arr_kept: float = Field(1.0, ge=0)
    use_points: float = Field(50.0, ge=0, le=100)
    tenure_days: int = Field(0, ge=0, le=MOST_DAYS)

    @property
    def stated(self) -> bool:
        """Whether workspace.yaml says anything of it."""
        return bool(self.model_fields_set)


def _range(value: Any) -> Any:
    """A single number is a range without width."""
    single = isinstance(value, int | float) and not isinstance(value, bool)
    return (float(value), float(value)) if single else tuple(value) if isinstance(value, list) else value


ASSUMED_COST = 0.02
"""What working an account costs where nobody says, as a share of the mean ARR of an account (a convention)."""


class WorkSpec(Frozen):
    """What working an account takes and brings: the ways of choosing thresholds read it, nothing else does.

    `accounts_per_csm` is how many accounts of the worst band each CSM can have in work in a month, `csms` how many there are (left out,
    those who look after an account today). `cost` is that of working one account ahead of one decision, in the workspace's currency (left
    out, `ASSUMED_COST` of the mean ARR of an account); `save_rate` the share of the accounts which would have left that this keeps, one
    number or a range of what it may be. `renew_best` and `renew_worst` are the renewal rates asked of the best band (at least) and of the
    worst (at most).
    """

    accounts_per_csm: float = Field(12.0, gt=0)
    csms: int | None = Field(None, gt=0)
    cost: float | None = Field(None, ge=0)
    save_rate: Annotated[tuple[float, float], BeforeValidator(_range)] = (0.1, 0.3)
    renew_best: float = Field(0.95, gt=0, le=1)
    renew_worst: float = Field(0.75, ge=0, lt=1)

    @field_validator("save_rate")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1] <= 1:
            raise refuse("expected a share from 0 to 1, or a range of them such as [0.1, 0.3]")
        return value

    @property
    def price(self) -> float:
        """What working an account costs; NaN where nobody has said."""
        return float("nan") if self.cost is None else self.cost


class WorkspaceHead(Frozen):
    """The plain keys of workspace.yaml.

    `engine` is where the tables live that metrics alone read and that `table:` places; `cases` a file that `healthlib snapshot` made there:
    its values take the place of events.
    """

    name: str = Field(min_length=1)
    currency: str = Field("USD", min_length=1)
    database: str | None = None
    engine: str | None = Field(None, min_length=1)
    cases: str | None = Field(None, min_length=1)
    reads: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    data_through: date | None = None
    outcome: OutcomeSpec = OutcomeSpec()
    success: SuccessSpec = SuccessSpec()
    work: WorkSpec = WorkSpec()
    max_rejected: float = Field(0.01, ge=0, le=1)
    simulated: bool = False

    @field_validator("database")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        """A URL of a database we read, and no password in it."""
        try:
            return value if value is None else read_address(value).url
        except ValueError as error:
            raise refuse(str(error)) from None

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, value: str | None) -> str | None:
        """The name or URL of an engine, and no password in it."""
        try:
            read_place(value or "")
        except AddressError as error:
            raise refuse(str(error)) from None
        return value

    @field_validator("data_through", mode="before")
    @classmethod
    def _quoted_day(cls, value: Any) -> Any:
        """A day in quotes is a day."""
        is_day = isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value)
        try:
            return date.fromisoformat(value) if is_day else value
        except ValueError:
            raise refuse("expected a day that exists") from None


class Workspace(WorkspaceHead):
    """One folder with exports and two YAML files.

    `adopted` is the record of its scorecards; `earlier` the scorecard that each change ended, by the day of the change, where its text was
    kept and can still be read.
    """

    given = frozenset({"folder", "scorecard", "sha256", "adopted", "earlier"})

    folder: Path
    tables: dict[str, TableSource] = Field(default_factory=dict)
    flat: FlatSpec | None = None
    scorecard: Scorecard
    sha256: str = ""
    adopted: tuple[Adopted, ...] = ()
    earlier: dict[date, Scorecard] = Field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What an outcome is: that of `outcome`, or flat where a sheet says it in a column."""
        return "flat" if self.flat is not None else self.outcome.kind
