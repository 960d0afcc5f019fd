"""A contract corrected later: versions of one term, against a reading in plain Python and a company where all was right at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import asof, cli, outcomes, provenance
from healthlib.demo import make_demo
from healthlib.snapshot import Wanted, snapshot
from healthlib.spec import Workspace, load_workspace
from healthlib.studies.book import Book, book_of, load_book, open_book
from healthlib.studies.check import check_study, open_for_check
from healthlib.studies.contract_terms import at_cases, now
from healthlib.studies.growth import grown_cases
from healthlib.studies.leaving import movements
from healthlib.studies.retention import retention
from healthlib.studies.survival import lifetimes
from healthlib.tables import Tables, load_tables

from . import test_asof, test_late, test_snapshot

SCORECARD = """groups: [money]
metrics:
  last_arr: {group: money, table: contracts, measure: last arr, better: higher, worst: 0, best: 100, weight: 1}
  terms: {group: money, table: contracts, measure: count, better: higher, worst: 0, best: 3, weight: 1}
  sold: {group: money, table: contracts, measure: sum arr, window_days: 400, better: higher, worst: 0, best: 300, weight: 1}
  names: {group: money, table: contracts, measure: distinct contract_id, better: higher, worst: 0, best: 3, weight: 1}
  since: {group: money, table: contracts, measure: days_since, better: lower, worst: 400, best: 0, weight: 1}
bands: [{name: red, from: 0}, {name: green, from: 50}]
"""
HEADER = "contract_id,account_id,start_date,end_date,arr,seats,outcome,decided_on,recorded_at"
FAR = dt.date(9999, 12, 31)


@dataclass(frozen=True)
class Row:
    """One line of contracts.csv; days as ISO text, "" where empty."""

    contract: str
    account: str
    start: str
    end: str
    arr: int
    seats: int = 1
    outcome: str = ""
    decided: str = ""
    recorded: str = ""

    @property
    def line(self) -> str:
        cells = (self.contract, self.account, self.start, self.end, self.arr, self.seats, self.outcome, self.decided, self.recorded)
        return ",".join(map(str, cells))

    @property
    def known(self) -> dt.date:
        return max(day(self.start), day(self.recorded or self.start))

    def ends(self, kind: str, at: dt.date) -> dt.date:
        ends = day(self.end) if self.end else FAR
        return FAR if kind == "churn_within" and ends > at else ends


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text[:10])


COMPANY = (
    Row("k1", "a", "2024-01-01", "2025-01-01", 100),  # ARR was 80 all along; told on 10 June, and again the same day: 90
    Row("k1", "a", "2024-01-01", "2025-01-01", 80, recorded="2024-06-10"),
    Row("k1", "a", "2024-01-01", "2025-01-01", 90, 3, recorded="2024-06-10T15:00:00"),
    Row("k1", "a", "2025-01-01", "2026-01-01", 90, recorded="2024-12-20"),
    Row("k2", "b", "2024-02-01", "2024-08-01", 50, recorded="2024-02-10"),  # ran a year, not half of one; told after the wrong end
    Row("k2", "b", "2024-02-01", "2025-02-01", 50, recorded="2024-11-05"),
    Row("k3", "c", "2024-03-01", "2025-03-01", 70, recorded="2024-01-15"),  # both told before it began
    Row("k3", "c", "2024-03-01", "2025-03-01", 75, recorded="2024-02-01"),
    Row("k3", "c", "2025-03-01", "2026-03-01", 75, 1, "", "", "2025-02-20"),
    Row("k4", "d", "2024-01-01", "2025-01-01", 40, 1, "churned", "2024-12-01", "2024-01-01"),  # was renewed: said so in February
    Row("k4", "d", "2024-01-01", "2025-01-01", 40, 1, "renewed", "2024-12-15", "2025-02-01"),
    Row("k5", "e", "2024-01-01", "2025-06-01", 60, recorded="2024-01-01"),  # never signed; taken back, and then it was after all
    Row("k5", "e", "2024-01-01", "2025-06-01", 0, recorded="2024-05-01"),
    Row("k5", "e", "2024-01-01", "2025-06-01", 65, recorded="2025-02-01"),
    Row("k6", "f", "2024-01-01", "2025-01-01", 30, recorded="2024-01-01"),  # began in March
    Row("k6", "f", "2024-01-01", "2025-01-01", 0, recorded="2024-07-01"),
    Row("k6", "f", "2024-03-01", "2025-03-01", 30, recorded="2024-07-01"),
    Row("k7", "g", "2024-01-01", "2025-01-01", 20),  # was h's
    Row("k7", "h", "2024-01-01", "2025-01-01", 20, recorded="2024-04-01"),
    Row("k9", "g", "2024-06-01", "2025-01-01", 15, 1, "churned", "2024-11-01", "2024-06-01"),  # left; decided a month later than said
    Row("k9", "g", "2024-06-01", "2025-01-01", 15, 1, "churned", "2024-12-01", "2025-01-12"),
    Row("", "h", "2024-06-01", "2024-09-01", 5, recorded="2024-06-01"),  # no contract_id: two of a kind are two
    Row("", "h", "2024-06-01", "2024-09-01", 5, recorded="2024-07-01"),
    Row("k8", "i", "2024-01-01", "", 10, recorded="2024-01-01"),  # evergreen, had ended long before anybody said so
    Row("k8", "i", "2024-01-01", "2024-04-01", 10, recorded="2025-01-10"),
)
THROUGH = "2025-12-31"


def company(folder: Path, rows: Sequence[Row] = COMPANY, kind: str = "renewal", header: str = HEADER) -> Workspace:
    folder.mkdir(parents=True)
    (folder / "accounts.csv").write_text("account_id\n" + "\n".join(sorted({row.account for row in rows} | set("abcdefghi"))) + "\n")
    (folder / "contracts.csv").write_text("\n".join([header, *(row.line for row in rows)]) + "\n")
    (folder / "workspace.yaml").write_text(f"name: Acme\ndata_through: {THROUGH}\noutcome: {{kind: {kind}, grace_days: 30}}\n")
    (folder / "scorecard.yaml").write_text(SCORECARD)
    return load_workspace(folder)


def opened(workspace: Workspace) -> Tables:
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    return tables


def terms_of(rows: Sequence[Row]) -> list[list[Row]]:
    """The versions of each term, the first written first."""
    terms: dict[object, list[Row]] = {}
    for place, row in enumerate(rows):
        terms.setdefault((row.contract, row.start) if row.contract else place, []).append(row)
    return [sorted(versions, key=lambda row: row.recorded) for versions in terms.values()]


def seen(rows: Sequence[Row], at: dt.date) -> list[Row]:
    """The terms as told on a day, in plain Python."""
    found = []
    for versions in terms_of(rows):
        told = [row for row in versions if row.known <= at]
        if told and day(told[-1].start) <= at and not (told[-1].arr == 0 and any(row.arr for row in told)):
            found.append(told[-1])
    return found


def told_on(rows: Sequence[Row], row: Row) -> dt.date:
    """When a term was first told, or the one whose place it took."""
    mine = next(versions for versions in terms_of(rows) if row in versions)
    days = [version.known for version in mine]
    for versions in terms_of(rows):
        for place, version in enumerate(versions):
            away = version.arr == 0 and any(earlier.arr for earlier in versions[:place])
            if away and version.contract == row.contract and mine[0].recorded[:10] == version.recorded[:10]:
                days.append(versions[0].known)
    return max(min(days), day(row.start))


def state_by_hand(rows: Sequence[Row], account: str, at: dt.date) -> tuple[float, float, float, object]:
    """ARR, seats, age and next end of term of an account on a day."""
    mine = [row for row in seen(rows, at) if row.account == account]
    runs = [row for row in mine if (day(row.end) if row.end else FAR) > at]
    ends = [day(row.end) for row in runs if row.end]
    age = (at - min(day(row.start) for row in mine)).days if mine else np.nan
    return (
        float(sum(row.arr for row in runs)), float(sum(row.seats for row in runs)) if runs else np.nan, float(age),
        pd.Timestamp(min(ends)) if ends else pd.NaT,
    )  # fmt: skip


def spine(first: str, last: str, step: int = 1) -> pd.DataFrame:
    days = pd.date_range(first, last, freq=f"{step}D", unit="s")
    pairs = pd.DataFrame([(account, at) for at in days for account in "abcdefghi"], columns=["account_id", "as_of"])
    return pairs.astype({"as_of": "datetime64[s]"})


def check_states(tables: Tables, workspace: Workspace, rows: Sequence[Row], pairs: pd.DataFrame) -> None:
    found = asof.state(tables, workspace, pairs)
    hand = [state_by_hand(rows, account, at.date()) for account, at in zip(pairs["account_id"], pairs["as_of"], strict=True)]
    expected = pd.DataFrame(hand, columns=["arr", "seats", "age_days", "term_ends"]).astype({"term_ends": "datetime64[s]"})
    pd.testing.assert_frame_equal(found[["arr", "seats", "age_days", "term_ends"]], expected)
    active = pairs[expected["arr"] > 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(asof.active_spine(tables, pairs["as_of"]), active, check_dtype=False)


def test_every_day_reads_what_was_told_by_then(tmp_path: Path) -> None:
    """ARR, seats, age and term ends of nine accounts on each of 700 days."""
    workspace = company(tmp_path / "acme")
    check_states(opened(workspace), workspace, COMPANY, spine("2023-12-25", "2025-11-30"))


def test_by_hand(tmp_path: Path) -> None:
    """The same, read off the rows: it keeps the plain Python honest."""
    workspace = company(tmp_path / "acme")
    tables = opened(workspace)
    asked = {
        ("a", "2024-06-09"): 100, ("a", "2024-06-10"): 90, ("b", "2024-08-01"): 0, ("b", "2024-11-05"): 50, ("c", "2024-03-01"): 75,
        ("e", "2024-04-30"): 60, ("e", "2024-05-01"): 0, ("e", "2025-02-01"): 65, ("f", "2024-02-01"): 30, ("g", "2024-03-31"): 20,
        ("g", "2024-04-01"): 0, ("h", "2024-04-01"): 20, ("h", "2024-07-31"): 30, ("i", "2025-01-09"): 10, ("i", "2025-01-10"): 0,
    }  # fmt: skip
    pairs = pd.DataFrame([(account, pd.Timestamp(at)) for account, at in asked], columns=["account_id", "as_of"])
    assert asof.state(tables, workspace, pairs.astype({"as_of": "datetime64[s]"}))["arr"].tolist() == list(asked.values())
    age = pd.DataFrame({"account_id": ["f", "f"], "as_of": pd.to_datetime(["2024-06-30", "2024-07-01"]).astype("datetime64[s]")})
    assert asof.state(tables, workspace, age)["age_days"].tolist() == [181, 122]


def test_what_was_never_seen_makes_nobody_visible(tmp_path: Path) -> None:
    """Told and corrected on one day: the account of the first telling never had a contract."""
    rows = [Row("k1", "a", "2024-01-01", "2025-01-01", 10), Row("k1", "b", "2024-01-01", "2025-01-01", 10, recorded="2023-12-01")]
    tables = opened(company(tmp_path / "acme", rows))
    assert tables.engine.query("SELECT account_id FROM known.first_contract")["account_id"].tolist() == ["b"]


def test_a_correction_says_nothing_of_how_late_contracts_are_recorded(tmp_path: Path) -> None:
    rows = [Row("k1", "a", "2024-01-01", "2025-01-01", 10, recorded=recorded) for recorded in ("2024-01-03", "2024-12-01")]
    workspace = company(tmp_path / "acme", rows)
    clock = provenance.clocks(opened(workspace), workspace, pd.Timestamp(THROUGH)).set_index("table").loc["contracts"]
    assert clock[["rows", "delay_median", "delay_p95"]].tolist() == [1, 2, 2]


def random_rows(seed: int, many: int = 40) -> tuple[Row, ...]:
    """Terms of nine accounts, each told one to four times: other ARR, end, account, outcome, or taken back."""
    rng = np.random.default_rng(seed)
    rows, first = [], dt.date(2023, 6, 1)
    for number in range(many):
        start = first + dt.timedelta(int(rng.integers(0, 700)))
        end = start + dt.timedelta(int(rng.choice([90, 365])))
        row = Row(f"k{number % 25}", str(rng.choice(list("abcdefghi"))), f"{start}", f"{end}", int(rng.integers(1, 9)) * 10)
        recorded = [start + dt.timedelta(int(days)) for days in np.sort(rng.integers(-60, 500, int(rng.integers(1, 5))))]
        for place, told in enumerate(recorded):
            row = replace(row, recorded=f"{told}T{place:02d}:00:00" if place or rng.random() < 0.5 else "")
            rows.append(row)
            change = rng.integers(0, 5)
            if change == 0:
                row = replace(row, arr=0)
            elif change == 1:
                row = replace(row, end=f"{start + dt.timedelta(int(rng.integers(30, 500)))}")
            elif change == 2:
                row = replace(row, account=str(rng.choice(list("abcdefghi"))))
            elif change == 3:
                row = replace(row, outcome=str(rng.choice(["renewed", "churned"])), decided=f"{start + dt.timedelta(80)}")
            else:
                row = replace(row, arr=int(rng.integers(1, 9)) * 10, seats=int(rng.integers(1, 5)))
    keys = {(row.contract, row.start, row.recorded): row for row in rows}
    return tuple(keys[key] for key in rng.permutation(np.array([*keys], dtype=object)).tolist() for key in [tuple(key)])


@pytest.mark.parametrize("seed", range(5))
def test_random_corrections_read_as_by_hand(seed: int, tmp_path: Path) -> None:
    """The order of the lines of a file means nothing."""
    rows = random_rows(seed)
    workspace = company(tmp_path / "acme", rows)
    assert len(rows) > 80
    check_states(opened(workspace), workspace, rows, spine("2023-05-20", "2025-11-30", 6))


@pytest.mark.parametrize("kind", ["renewal", "churn_within"])
@pytest.mark.parametrize("at", ["2024-06-15", "2025-03-31", THROUGH])
@pytest.mark.parametrize("rows", [COMPANY, *(random_rows(seed) for seed in (7, 8))], ids=["by hand", "seed 7", "seed 8"])
def test_from_its_day_on_it_is_as_if_it_had_been_right_at_once(rows: tuple[Row, ...], at: str, kind: str, tmp_path: Path) -> None:
    """Terms, ledger, who left, beginnings and labels equal those of exports that tell each term once, as it reads now, recorded when it was
    first told."""
    now_ = pd.Timestamp(at)
    right = [replace(row, recorded=f"{told_on(rows, row)}") for row in seen(rows, now_.date())]
    mine, other = (load_book(company(tmp_path / name, each, kind).folder, at) for name, each in (("versions", rows), ("right", right)))
    for name in ("ledger", "churned"):
        pd.testing.assert_frame_equal(getattr(mine, name), getattr(other, name), obj=name)
    pd.testing.assert_frame_equal(mine.began.starts, other.began.starts)
    pd.testing.assert_frame_equal(mine.diary.terms, other.diary.terms)
    pd.testing.assert_frame_equal(mine.traces.leavers, other.traces.leavers)
    same = [name for name in mine.terms if name not in ("known_on", "superseded_on")]
    by = ["account_id", "starts_on", "ends_on", "arr", "seats", "told_on"]
    left, right_ = (now(book.terms)[same].sort_values(by, ignore_index=True) for book in (mine, other))
    pd.testing.assert_frame_equal(left, right_)
    keys = ["account_id", "as_of"]
    both = mine.cases.merge(other.cases, how="left", on=keys, suffixes=("", "_right"))
    labelled = both["outcome_right"].notna()
    assert labelled.mean() > 0.5
    pd.testing.assert_series_equal(both.loc[labelled, "outcome"], both.loc[labelled, "outcome_right"], check_names=False)
    absent = other.cases[~pd.MultiIndex.from_frame(other.cases[keys]).isin(pd.MultiIndex.from_frame(mine.cases[keys]))]
    assert all(state_by_hand(rows, row.account_id, row.as_of.date())[0] == 0 for row in absent.itertuples())  # nobody knew of it then


@pytest.mark.parametrize("at", ["2024-04-30", "2024-10-31", "2025-01-15"])
def test_before_its_day_a_correction_changes_nothing(at: str, tmp_path: Path) -> None:
    """The book of a day, whole, is that of exports without the rows recorded later."""
    then = tuple(row for row in COMPANY if row.known <= day(at))
    books = [load_book(company(tmp_path / f"{n}", rows).folder, at) for n, rows in enumerate((COMPANY, then))]
    assert len(then) < len(COMPANY)
    test_asof.same(*books)


def test_a_correction_is_no_movement(tmp_path: Path) -> None:
    """ARR told wrong up and down, an end told too early, a start told too early, an account told wrong, a term never signed."""
    last = "2026-01-01"
    rows = (
        Row("k1", "a", "2024-01-01", last, 100), Row("k1", "a", "2024-01-01", last, 130, recorded="2025-03-10"),
        Row("k2", "b", "2024-01-01", last, 100), Row("k2", "b", "2024-01-01", last, 70, recorded="2025-03-10"),
        Row("k3", "c", "2024-01-01", "2025-03-01", 100), Row("k3", "c", "2024-01-01", last, 100, recorded="2025-05-10"),
        Row("k4", "d", "2024-01-01", last, 100), Row("k4", "d", "2024-01-01", last, 0, recorded="2025-03-10"),
        Row("k4", "d", "2024-06-01", last, 100, recorded="2025-03-10"),
        Row("k5", "e", "2024-01-01", last, 100), Row("k5", "f", "2024-01-01", last, 100, recorded="2025-03-10"),
        Row("k6", "g", "2024-01-01", last, 100), Row("k6", "g", "2024-01-01", last, 0, recorded="2025-03-10"),
    )  # fmt: skip
    for kind in ("renewal", "churn_within"):
        book = load_book(company(tmp_path / kind, rows, kind).folder)
        rates = retention(book.ledger, pd.Timestamp("2024-12-31"), book.as_of)
        assert {name: (rate.value, rate.n) for name, rate in rates.items()} == {
            "grr_12m": (1.0, 5), "nrr_12m": (1.0, 5), "logo_churn_12m": (0.0, 5),
        }  # fmt: skip
        moved = movements(book.ledger, book.churned).set_index("year")
        assert moved.loc[[2024, 2025], ["left_accounts", "down_accounts", "down_arr"]].to_numpy().sum() == 0
        assert moved.loc[2025, "up_arr"] == 0
        assert book.churned.empty
        assert not (book.cases["lost"] == 1).any()
        assert "g" not in set(book.cases["account_id"])  # kept nothing either
        assert set(lifetimes(book.history, book.churned, book.ledger, book.as_of)["account_id"]) == set("abcdf")
        assert not (1 - grown_cases(book, 0.02)["lost"]).any()
    # What the audit says of price and term reads each case as it was told then: nothing was known of 130 before March.
    at = pd.DataFrame({"account_id": ["a", "a"], "as_of": pd.to_datetime(["2025-03-09", "2025-03-10"]).astype("datetime64[s]")})
    both = replace_before(rows)
    book = load_book(company(tmp_path / "both", both).folder)
    assert at_cases(book.terms, at, grace_days=30)["arr_change"].tolist() == [0.0, pytest.approx(0.3)]


def replace_before(rows: Sequence[Row]) -> list[Row]:
    """The same with a term of 100 before, so that there is a change to speak of."""
    return [*rows, Row("k0", "a", "2023-01-01", "2024-01-01", 100)]


def test_a_renewal_case_survives_the_correction_of_its_arr(tmp_path: Path) -> None:
    """Corrected after the day it is read, the case is still read on that day, with what was known then."""
    rows = [
        Row("k1", "a", "2024-01-01", "2025-01-01", 100),
        Row("k1", "a", "2024-01-01", "2025-01-01", 80, recorded="2024-12-20"),
        Row("k1", "a", "2025-01-01", "2026-01-01", 80),
    ]
    case = load_book(company(tmp_path / "acme", rows).folder, "2025-06-30").cases.iloc[0]
    assert (f"{case['as_of']:%Y-%m-%d}", case["arr"], case["outcome"]) == ("2024-10-03", 100.0, "renewed")


def test_metrics_on_contracts_read_the_version_of_the_day(tmp_path: Path) -> None:
    rows = random_rows(3)
    workspace = company(tmp_path / "acme", rows)
    history = load_book(workspace.folder).history
    for snap in history.to_dict("records"):
        at = snap["as_of"].date()
        mine = [row for row in seen(rows, at) if row.account == snap["account_id"]]
        assert snap["terms"] == len(mine)
        assert snap["names"] == len({row.contract for row in mine})
        assert snap["since"] == (at - max(day(row.start) for row in mine)).days
        assert snap["sold"] == sum(row.arr for row in mine if (at - day(row.start)).days < 400)
        assert snap["last_arr"] in {row.arr for row in mine if row.start == max(row.start for row in mine)}


def plant(folder: Path, seed: int) -> int:
    """Tell some contracts of a demo again: another ARR, end, account or outcome, or taken back; the number of rows added."""
    rng = np.random.default_rng(seed)
    frame = pd.read_csv(folder / "contracts.csv", dtype=str).assign(recorded_at="")
    accounts = frame["account_id"].unique()
    again = frame.sample(frac=0.5, random_state=seed)
    again = pd.concat([again, again.sample(frac=0.5, random_state=seed + 1)])
    start = pd.to_datetime(again["start_date"].str[:10])
    again["recorded_at"] = (start + pd.to_timedelta(rng.integers(-40, 500, len(again)), unit="D")).dt.strftime("%Y-%m-%d")
    kind = rng.integers(0, 4, len(again))
    arr = (again["arr"].astype(float) * rng.uniform(0.5, 1.5, len(again))).round().astype(int).astype(str)
    again["arr"] = np.select([kind == 0, kind == 1], [arr, "0"], again["arr"])
    ends = (start + pd.to_timedelta(rng.integers(200, 500, len(again)), unit="D")).dt.strftime("%Y-%m-%d")
    again["end_date"] = np.where(kind == 2, ends, again["end_date"])
    again["account_id"] = np.where((kind == 3) & (rng.random(len(again)) < 0.3), rng.choice(accounts, len(again)), again["account_id"])
    both = pd.concat([frame, again]).drop_duplicates(["contract_id", "start_date", "recorded_at"])
    both.to_csv(folder / "contracts.csv", index=False)
    return len(both) - len(frame)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("corrected") / "demo"
    make_demo(folder, seed=4, accounts=60)
    card = (folder / "scorecard.yaml").read_text()
    extra = "".join(
        f"  {line.strip().replace('group: money', 'group: adoption')}\n" for line in SCORECARD.splitlines() if "table: contracts" in line
    )
    (folder / "scorecard.yaml").write_text(card.replace("metrics:\n", f"metrics:\n{extra}", 1))
    assert plant(folder, 4) > 50
    return load_workspace(folder)


@pytest.mark.parametrize("at", ["2024-06-30", "2025-06-15", "2026-02-28"])
def test_cutting_every_table_changes_nothing(demo: Workspace, at: str) -> None:
    """The as-of promise, with rows of half the contracts told again once or twice, and metrics that read contracts."""
    book = test_asof.check(demo, at)
    assert book.terms["superseded_on"].notna().sum() > 5
    whole, short = (load_tables(demo) for _ in range(2))
    test_asof.cut(short, demo, at)
    counts = []
    for tables in (whole, short):
        asof.open_door(tables, demo)
        counts.append(provenance.corrected(tables, pd.Timestamp(at)))
    assert counts[0] == counts[1] > 5


@pytest.mark.parametrize("kind", ["renewal", "churn_within"])
@pytest.mark.parametrize("seed", range(3))
def test_cutting_random_corrections(seed: int, kind: str, tmp_path: Path) -> None:
    workspace = company(tmp_path / "acme", random_rows(seed + 20), kind)
    for at in ("2024-03-31", "2024-09-15", "2025-06-30"):
        test_asof.check(workspace, at)


def test_a_snapshot_carries_the_same_book(demo: Workspace, tmp_path: Path) -> None:
    snapshot(Wanted(demo.folder, to=tmp_path / "cases.parquet"))
    carried = open_book(load_workspace(demo.folder).model_copy(update={"cases": str(tmp_path / "cases.parquet")}))
    test_snapshot.same(carried, load_book(demo.folder))


def test_a_key_told_twice_on_one_day_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where neither says when it was recorded; told at another hour of the day, it is a correction."""
    rows = [
        Row("k1", "a", "2024-01-01", "2027-01-01", 10, recorded="2024-02-01"),
        Row("k1", "a", "2024-01-01", "2027-01-01", 20, recorded="2024-02-01"),
        Row("k2", "b", "2024-01-01", "2027-01-01", 10),
        Row("k2", "b", "2024-01-01", "2027-01-01", 30),
        Row("k2", "b", "2024-01-01", "2027-01-01", 40, recorded="2024-02-01T09:00:00"),
    ]
    workspace = company(tmp_path / "acme", rows)
    assert cli.main(["run", str(workspace.folder), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "contracts: 2 of 5 rows (40.0%)" in said
    assert '"contract_id, start_date, recorded_at: a second row with this key; the first one stays" (2)' in said
    loose = replace_rejected(workspace)
    rejected = load_tables(loose).rejected["contracts"]
    assert rejected["line"].tolist() == [3, 5]
    assert set(rejected["column"]) == {"contract_id, start_date, recorded_at"}
    assert load_book_of(loose, "2024-12-31").history.groupby("account_id")["arr"].last().to_dict() == {"a": 10.0, "b": 40.0}


def replace_rejected(workspace: Workspace) -> Workspace:
    return workspace.model_copy(update={"max_rejected": 0.5})


def load_book_of(workspace: Workspace, at: str) -> Book:
    return book_of(load_tables(workspace), workspace, pd.Timestamp(at))


def test_without_recorded_at_a_key_told_twice_is_rejected_as_ever(tmp_path: Path) -> None:
    rows = [Row("k1", "a", "2024-01-01", "2027-01-01", 10), Row("k1", "a", "2024-01-01", "2027-01-01", 20)]
    workspace = company(tmp_path / "acme", rows)
    path = workspace.folder / "contracts.csv"
    path.write_text("\n".join(line.rpartition(",")[0] for line in path.read_text().splitlines()) + "\n")
    rejected = load_tables(replace_rejected(workspace)).rejected["contracts"]
    assert rejected[["line", "column"]].to_numpy().tolist() == [[3, "contract_id, start_date"]]


def test_a_correction_recorded_since_is_no_change_of_the_past(tmp_path: Path) -> None:
    """Recorded after the day of the last run it was not knowable then; recorded before, it is one contract changed, not two."""
    header, *lines = test_late.CONTRACTS.splitlines()
    base = "\n".join([f"{header},recorded_at", *(f"{line}," for line in lines)]) + "\n"
    test_late.watched(test_late.company(tmp_path / "acme", base), tmp_path / "out")
    after = base + "a,2024-01-01,2027-01-01,900,1,,,2026-11-10\n"
    found = test_late.watched(test_late.company(tmp_path / "acme", after), tmp_path / "out").found
    assert found is not None
    assert not found.anything
    before = base + "a,2024-01-01,2027-01-01,900,1,,,2026-10-10\n"
    found = test_late.watched(test_late.company(tmp_path / "acme", before), tmp_path / "out").found
    assert found is not None
    assert found.tables[["table", "added", "changed", "removed"]].to_numpy().tolist() == [["contracts", 0, 1, 0]]
    assert found.contracts[["account_id", "arr_then", "arr_now"]].to_numpy().tolist() == [["a", 1000.0, 900.0]]


def test_the_check_says_how_many_contracts_were_corrected(tmp_path: Path) -> None:
    """Told again in the same words, or with an outcome alone, is no correction."""
    from healthlib.claims_ledger import bridge

    rows = [
        *COMPANY,
        Row("k11", "a", "2024-01-01", "2024-02-01", 1, recorded="2024-01-01"),
        Row("k11", "a", "2024-01-01", "2024-02-01", 1, recorded="2024-03-01"),
    ]
    folder = company(tmp_path / "acme", rows).folder
    assert bridge(check_study(open_for_check(folder))).text.endswith(
        "7 contracts were corrected later; each day reads what was recorded by then."
    )
    assert bridge(check_study(open_for_check(folder, "2024-03-31"))).text.endswith(
        "1 contract was corrected later; each day reads what was recorded by then."
    )
    assert "corrected" not in bridge(check_study(open_for_check(folder, "2024-02-15"))).text


def test_accounts_renamed_are_told_by_the_last_version(tmp_path: Path) -> None:
    """By what was told first b runs on; by what holds it ends as c begins with the same ARR."""
    rows = [
        Row("k2", "b", "2024-01-01", "2025-11-01", 50), Row("k3", "c", "2024-08-01", "2026-08-01", 50),
        Row("k2", "b", "2024-01-01", "2024-08-01", 50, recorded="2024-09-01"),
    ]  # fmt: skip
    both = [load_tables(company(tmp_path / f"{n}", each)).warnings for n, each in enumerate((rows[:2], rows))]
    assert ["account ends where another begins" in " ".join(warnings) for warnings in both] == [False, True]


def test_a_declared_lag_is_that_of_rows_without_a_day_of_record(tmp_path: Path) -> None:
    """The first telling counts a month late; it is never seen where the correction was recorded sooner."""
    rows = [Row("k1", "a", "2024-01-01", "2025-01-01", 100), Row("k1", "a", "2024-01-01", "2025-01-01", 80, recorded="2024-01-10")]
    workspace = company(tmp_path / "acme", rows)
    path = workspace.folder / "workspace.yaml"
    path.write_text(path.read_text() + "tables: {contracts: {lag_days: 31}}\n")
    workspace = load_workspace(workspace.folder)
    tables = opened(workspace)
    days = pd.to_datetime(["2024-01-09", "2024-01-10", "2024-01-31", "2024-02-01", "2024-06-01"]).astype("datetime64[s]")
    found = asof.state(tables, workspace, pd.DataFrame({"account_id": "a", "as_of": days}))
    assert found["arr"].tolist() == [0, 80, 80, 80, 80]
    outcomes.prepare(tables, workspace, pd.Timestamp("2025-06-01"))
    assert tables.engine.query("SELECT arr, CAST(known AS VARCHAR) AS known FROM terms").to_numpy().tolist() == [[80, "2024-01-10"]]


def test_init_keeps_the_day_of_record_and_with_it_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it every second row would repeat id and start, and the id would be left out: each version would be a contract."""
    folder = company(tmp_path / "exports").folder
    assert cli.main(["init", str(tmp_path / "new"), "--exports", str(folder)]) == 0
    capsys.readouterr()
    tables = load_tables(load_workspace(tmp_path / "new"))
    assert {"contract_id", "recorded_at"} <= set(tables.columns["contracts"])
    assert "contracts" not in tables.rejected
