"""What must not matter does not: the order of rows, the currency, the accounts' names. Read from the exports to the scores."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from healthlib.demo import make_demo
from healthlib.scoring import score
from healthlib.spec import load_workspace
from healthlib.studies.book import Book, open_book


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company") / "demo"
    make_demo(folder, seed=11, accounts=50)
    return folder


@pytest.fixture(scope="module")
def plain(company: Path) -> Book:
    return open_book(load_workspace(company))


def rewritten(company: Path, to: Path, change) -> Book:
    """The same company with every table changed by `change(name, frame of texts) -> frame`."""
    to = to / "demo"
    shutil.copytree(company, to)
    for path in sorted(to.glob("*.csv*")):
        name = path.name.split(".")[0]
        change(name, pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)
    return open_book(load_workspace(to))


def scores(book: Book) -> pd.DataFrame:
    return score(book.scorecard, book.history).frame.join(book.history["arr"])


def test_the_order_of_rows_changes_nothing(company: Path, plain: Book, tmp_path: Path) -> None:
    shuffled = rewritten(company, tmp_path, lambda _, frame: frame.sample(frac=1, random_state=5))
    for name in ("history", "cases", "leads", "ledger", "churned", "silences"):
        pd.testing.assert_frame_equal(getattr(plain, name), getattr(shuffled, name), obj=name)


def test_the_currency_changes_no_score(company: Path, plain: Book, tmp_path: Path) -> None:
    def times_eight(name: str, frame: pd.DataFrame) -> pd.DataFrame:
        money = {"contracts": ["arr", "renewed_arr"], "invoices": ["amount"]}.get(name, [])
        return frame.assign(**{c: [f"{float(v) * 8}" if v else v for v in frame[c]] for c in money})

    other = rewritten(company, tmp_path, times_eight)
    columns = ["account_id", "as_of", "score", "band", "coverage"]
    pd.testing.assert_frame_equal(scores(plain)[columns], scores(other)[columns])
    pd.testing.assert_series_equal(plain.history["arr"] * 8, other.history["arr"])


def test_names_of_accounts_change_nothing(company: Path, plain: Book, tmp_path: Path) -> None:
    """Ids are reversed texts, names are all the same: another order of everything, the same scores."""

    def renamed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.assign(account_id=[f"x{v[::-1]}" if v.startswith("A") else v for v in frame["account_id"]])
        return frame.assign(name="one name") if name == "accounts" else frame

    other = scores(rewritten(company, tmp_path, renamed))
    other["account_id"] = [v[:0:-1] for v in other["account_id"]]
    other = other.sort_values(["as_of", "account_id"], ignore_index=True)
    pd.testing.assert_frame_equal(scores(plain).drop(columns="gate"), other.drop(columns="gate"))
