"""`--anonymise`, by attack: every name of a company is planted with one word, and no byte of what a run leaves may hold it."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from healthlib import cli, fingerprints, flat, masks, progress, publish
from healthlib.anonymise import HIDDEN, MASKED
from healthlib.demo import make_demo
from healthlib.doctor import readable
from healthlib.errors import DataError
from healthlib.masks import KEY, Secret, SecretError
from healthlib.spec import Workspace, load_workspace
from healthlib.tables import RejectedError, load_tables
from tests.test_late import company, opened, watched
from tests.test_tables import SCORECARD, rows, workspace

PLANTED = "xqzjv"
SECRET, OTHER = "Qw7planted-secret-of-the-masks-000001", "another-secret-of-at-least-32-letters"
NAMING = ("account_id", "name", "csm", "said_by", "set_by", "rated_by", "user_id", "respondent_id", "contract_id", "ticket_id", "goal",
          "why", "reason")  # fmt: skip


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)


def plant(folder: Path, accounts: int = 45) -> Path:
    """A company in which every name and every free text holds `PLANTED`, and in which rows are rejected for every kind of reason."""
    make_demo(folder, accounts=accounts)
    for path in sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")]):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in (name for name in NAMING if name in frame):
            frame[column] = [text and f"Xqzjv{text}" if text != "unassigned" else text for text in frame[column]]
        if path.name not in ("accounts.csv", "contracts.csv", "tickets.csv.gz", "usage.csv.gz", "surveys.csv"):
            frame["note"] = "Xqzjv note"
        frame.to_csv(path, index=False, lineterminator="\n")
    accounts_csv = pd.read_csv(folder / "accounts.csv", dtype=str, keep_default_na=False)
    accounts_csv["sponsor"] = [f"Xqzjv Sponsor {i % 5}" for i in range(len(accounts_csv))]
    accounts_csv.to_csv(folder / "accounts.csv", index=False)
    _append(folder / "accounts.csv", "Xqzjv-new,Xqzjv Alone Ltd,SMB,Retail,EMEA,Starter,Xqzjv Boss,Xqzjv Sponsor 9\n")
    churned = folder / "contracts.csv"
    contracts = pd.read_csv(churned, dtype=str, keep_default_na=False)
    first = contracts.index[contracts["churn_reason"] != ""][0]
    contracts.loc[first, "churn_reason"] = "Xqzjv said so on the phone"
    contracts.to_csv(churned, index=False)
    _append(churned, "Xqzjv-twin,2025-01-01,,100,,5,0,true,yearly,,,,\n" * 1)
    _append(folder / "tickets.csv.gz", "Xqzjv-stranger,2026-01-01,Xqzjv-t,,normal,billing,\n")
    _append(folder / "usage.csv.gz", "Xqzjv A0001,2026-02-31,Xqzjv-u,dashboards,1\n")
    _append(folder / "surveys.csv", "XqzjvA0002,2026-01-01,nps,Xqzjv nine,Xqzjv-r\nXqzjvA0002,2026-01-01,nps,9,Xqzjv-r,Xqzjv,Xqzjv\n")
    yaml = (folder / "workspace.yaml").read_text()
    (folder / "workspace.yaml").write_text(yaml.replace("max_rejected: 0.01", "max_rejected: 0.2"))
    return folder


def _append(path: Path, text: str) -> None:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + text.encode()))
    else:
        path.write_text(path.read_text() + text)


def held(path: Path) -> Iterator[str]:
    """All that a file says: its text, what pictures and other base64 say, the cells and words of Parquet, the inside of an archive."""
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield f"{table.schema.names} {table.schema.metadata} {table.to_pandas().to_csv()}"
        return
    text = raw.decode("utf-8", "replace")
    found = re.compile(r"base64,([A-Za-z0-9+/=]{8,})")
    yield found.sub("", text)
    for coded in found.findall(text):
        yield base64.b64decode(coded).decode("utf-8", "replace")


def where_it_stands(out: Path, word: str) -> list[str]:
    """Files below a folder whose name or content holds a word, in small letters or capitals."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    assert files
    return [str(path.relative_to(out)) for path in files if any(word.lower() in text.lower() for text in (path.name, *held(path)))]


@dataclass
class Left:
    """What the commands left of one company: its folder, the reports of the same day with names and without, and what was printed."""

    folder: Path
    open: Path
    masked: Path
    said: str


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    home = tmp_path_factory.mktemp("planted")
    folder, named, masked = plant(home / "acme"), home / "open", home / "masked"
    masked.mkdir()
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, SECRET)
        patch.setattr("builtins.print", lambda *words, **_: said.append(" ".join(map(str, words))))
        assert [cli.main([part, str(folder), "--out", str(named)]) for part in ("score", "check")] == [0, 0]
        said.clear()
        assert cli.main(["run", str(folder), "--anonymise", "--out", str(masked), "--log", str(masked / "run.log")]) == 0
        assert cli.main(["check", str(folder), "--anonymise", "--out", str(masked)]) == 0
    return Left(folder, named / "acme" / "2026-10-31", masked / "acme" / "2026-10-31", "\n".join(said))


def test_no_byte_of_a_run_holds_a_name(left: Left) -> None:
    out = left.masked.parents[1]
    assert {"executive.html", "executive.ipynb", "inputs.parquet", "scores.csv", "check.html", "summary.html", "manifest.json"} <= {
        path.name for path in left.masked.iterdir()
    }
    assert len(list(left.masked.glob("book-*.html"))) > 3
    assert len(list(left.masked.glob("rejected/*.csv"))) >= 3
    assert where_it_stands(out, PLANTED) == []
    assert where_it_stands(out, SECRET) == []
    assert PLANTED not in left.said.lower()
    assert "(masked)" in left.said


def test_without_the_option_names_stand_everywhere(left: Left) -> None:
    """The search can fail: it finds every planted name in what the same company leaves with names."""
    found = where_it_stands(left.open, PLANTED)
    for name in ("scores.csv", "summary.json", "alerts.csv", "alerts.json", "check.html", "rejected/surveys.csv", "rejected/tickets.csv"):
        assert name in found
    everything = " ".join(text for path in left.open.rglob("*") if path.is_file() for text in held(path))
    for text in ("Xqzjv-stranger", "Xqzjv nine", "Xqzjv-new", "Xqzjv-twin"):
        assert text in everything, text


def test_the_search_looks_into_pictures_tables_and_archives(tmp_path: Path) -> None:
    coded = base64.b64encode(b"<svg><text>Xqzjv Ltd</text></svg>").decode()
    (tmp_path / "page.html").write_text(f"<img src='data:image/svg+xml;base64,{coded}'>")
    pd.DataFrame({"a": ["Xqzjv"]}).to_parquet(tmp_path / "facts.parquet")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"xqzjv"))
    (tmp_path / "book-xqzjv.html").write_text("")
    (tmp_path / "fine.html").write_text(f"data:font;base64,{base64.b64encode(b'quiet').decode()}")
    assert where_it_stands(tmp_path, PLANTED) == ["book-xqzjv.html", "facts.parquet", "page.html", "x.csv.gz"]


def test_pages_show_masks_and_keep_the_groups(left: Left) -> None:
    page = (left.masked / "executive.html").read_text()
    assert "names masked" in page
    assert "names masked" in (left.masked / "check.html").read_text()
    assert "names masked" not in (left.open / "check.html").read_text()
    assert re.search(r"Account [0-9a-f]{8}", page)
    scores = pd.read_csv(left.masked / "scores.csv", dtype=str)
    assert scores["account_id"].str.fullmatch(r"Account [0-9a-f]{8}").all()
    assert scores["account_id"].is_unique
    named = pd.read_csv(left.masked / "named_accounts.csv", dtype=str)
    assert set(named["segment"].dropna()) <= {"SMB", "Mid-Market", "Enterprise"}
    owners = set(pd.read_csv(left.masked / "csm_load.csv", dtype=str)["csm"].dropna())
    assert all(re.fullmatch(r"CSM [0-9a-f]{8}", name) for name in owners - {"nobody"})
    manifest = json.loads((left.masked / "manifest.json").read_text())
    assert manifest["parameters"]["anonymise"] == Secret(SECRET.encode()).mark


def _figures(held: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a summary but the ends of intervals, which resampling draws, by where it stands."""
    if isinstance(held, dict):
        for name, inside in held.items():
            if not re.search(r"low|high", name):
                yield from _figures(inside, f"{place}/{name}")
    elif isinstance(held, list):
        for number, inside in enumerate(held):
            yield from _figures(inside, f"{place}/{number}")
    elif isinstance(held, int | float) and not isinstance(held, bool):
        yield place, float(held)


def test_every_figure_but_the_ends_of_intervals_is_the_same(left: Left) -> None:
    """Accounts are drawn in the order of their ids, which masks change; so interval ends move as they would under another seed."""
    both = [json.loads((folder / "summary.json").read_text()) for folder in (left.open, left.masked)]
    shared = both[0].keys() & both[1].keys() - {"books", "calendar"}
    one, other = (dict(_figures({name: summary[name] for name in sorted(shared)})) for summary in both)
    assert len(one) > 100
    assert one.keys() == other.keys()
    moved = {place: (value, other[place]) for place, value in one.items() if not math.isclose(value, other[place], rel_tol=1e-6)}
    assert moved == {}


def test_the_order_of_the_originals_is_gone(left: Left) -> None:
    """A table in the order of the originals could be counted off against a list of customers."""
    tables = load_tables(load_workspace(left.folder))
    ids = rows(tables, "accounts")["account_id"].tolist()
    digits = Secret(SECRET.encode()).masks("account", ids)
    place = {f"Account {mask}": number for number, mask in enumerate(digits[name] for name in sorted(ids))}
    shown = 0
    for path in sorted(left.masked.glob("*.csv")):
        frame = pd.read_csv(path, dtype=str)
        if "account_id" not in frame or frame["account_id"].nunique() < 8:
            continue
        order = frame["account_id"].drop_duplicates().map(place).dropna()
        assert abs(order.reset_index(drop=True).corr(pd.Series(range(len(order))), method="spearman")) < 0.75, path.name
        shown += 1
    assert shown >= 2


def test_masks_stay_from_month_to_month_under_one_secret_and_differ_under_another(monkeypatch, tmp_path) -> None:
    space = company(tmp_path / "acme").model_copy(update={"anonymise": True})
    first, again = (rows(load_tables(space), "accounts")["account_id"].tolist() for _ in range(2))
    company(tmp_path / "later", contracts="account_id,start_date,end_date,arr\nb,2024-01-01,,1\nc,2024-01-01,,1\n")
    (tmp_path / "later" / "accounts.csv").write_text("account_id,name\nc,Cy Ltd\nnew,New\nb,Renamed Ltd\n")
    (tmp_path / "later" / "usage.csv").unlink()
    later = rows(load_tables(load_workspace(tmp_path / "later", anonymise=True)), "accounts")["account_id"].tolist()
    assert first == again
    assert [later[2], later[0]] == [first[1], first[2]]
    monkeypatch.setenv(KEY, OTHER)
    assert not set(first) & set(rows(load_tables(space), "accounts")["account_id"])


def test_what_changed_since_the_last_run_is_said_in_masks(monkeypatch, tmp_path) -> None:
    space = company(tmp_path / "acme").model_copy(update={"anonymise": True})
    watched(space, tmp_path / "shelf")
    assert not watched(space, tmp_path / "shelf").found.anything
    more = (tmp_path / "acme" / "contracts.csv").read_text().replace("b,2024-01-01,2027-01-01,2000", "b,2024-01-01,2027-01-01,2500")
    (tmp_path / "acme" / "contracts.csv").write_text(more)
    found = watched(space, tmp_path / "shelf").found
    assert found.contracts["changed"].tolist() == [1]
    assert found.contracts["account_id"].str.fullmatch(r"Account [0-9a-f]{8}").all()
    monkeypatch.setenv(KEY, OTHER)
    assert "hashed by another version" in watched(space, tmp_path / "shelf").found.problem


def test_a_fingerprint_proves_no_guess(monkeypatch, tmp_path) -> None:
    """Whoever knows a mask and guesses the rest of a row finds no hash that says whether he is right."""
    space = company(tmp_path / "acme").model_copy(update={"anonymise": True})
    tables = opened(space)
    made = fingerprints.fingerprint(tables, space, "2026-10-31").rows
    guessed = fingerprints.fingerprint(tables, space.model_copy(update={"anonymise": False}), "2026-10-31").rows
    assert set(made["account"]) == set(guessed["account"])
    assert not set(made["hash"]) & set(guessed["hash"])


def test_a_rejected_row_shows_its_place_and_no_name(tmp_path) -> None:
    files = {
        "usage.csv": "account_id,occurred_at,quantity,note\n001,2024-05-01,3,x\n009,2024-05-01,3,Ada\n001,2024-02-31,3,Ada\n"
        "001,2024-05-02,Ada owes 3,x\n001,2024-05-02,3;4,x\nAda,Bob,Cyd,x,Dee\n002,003,5,x\n"
    }
    tables = load_tables(workspace(tmp_path, files, anonymise=True))
    found = tables.rejected["usage"]
    assert found.columns.tolist() == ["file", "line", "column", "value", "rule"]
    stranger = f"Account {Secret(SECRET.encode()).digest('account', '009')[:8]}"
    assert found["value"].tolist() == [stranger, "2024-02-31", HIDDEN, HIDDEN, HIDDEN, HIDDEN]
    assert found["line"].tolist() == [3, 4, 5, 6, 7, 8]


def test_a_refused_export_quotes_nobody(tmp_path) -> None:
    files = {"usage.csv": "account_id,occurred_at,quantity\n" + "001,2024-05-01,Ada Lovelace\n" * 9}
    with pytest.raises(RejectedError) as caught:
        load_tables(workspace(tmp_path, files, anonymise=True, max_rejected=0.1))
    assert "Ada" not in str(caught.value)
    with pytest.raises(RejectedError, match="Ada Lovelace"):
        load_tables(workspace(tmp_path, files, max_rejected=0.1))
    (tmp_path / "a.csv").write_text("account_id,occurred_at,quantity\n001,2024-05-01,Ada Lovelace\n")
    held = "cast(trim(right(content, 13), chr(10)) as int)"  # so that no reader of CSV refuses it before the query does
    cast = f"select '001' as account_id, date '2024-05-01' as occurred_at, {held} as quantity from read_text('a.csv')"
    sql = {"usage": {"sql": cast}}
    for masked, said in ((False, True), (True, False)):
        with pytest.raises(DataError) as caught:
            load_tables(workspace(tmp_path, {"usage.csv": ""}, tables=sql, anonymise=masked))
        assert ("Ada" in str(caught.value)) is said


def test_each_column_that_names_somebody_is_masked_and_one_person_has_one_mask(tmp_path) -> None:
    files = {
        "accounts.csv": "account_id,name,segment,csm,sponsor,size\n001,Ada,SMB, Jun ,Zoe,12\n002,Bob,SMB,unassigned,Zoe,7\n"
        "003,,Ent,Eli,,7\n",
        "feedback.csv": "account_id,said_on,should_be,why,said_by\n001,2024-05-01,85,call me,Jun\n002,2024-05-02,ask Zoe,,Max\n",
        "usage.csv": "account_id,occurred_at,user_id,own\n001,2024-05-01,u1,x\n002,2024-05-02,u1,y\n",
    }
    files["contracts.csv"] = "account_id,start_date,end_date,arr,churn_reason\n" + "".join(
        f"00{1 + i % 3},2024-01-0{1 + i},2025-01-01,{i},{'price' if i < 4 else 'Ada hates Bob'}\n" for i in range(6)
    )
    tables = load_tables(workspace(tmp_path, files, anonymise=True))
    accounts, said, use = rows(tables, "accounts"), rows(tables, "feedback"), rows(tables, "usage")
    assert accounts["name"].tolist()[:2] == accounts["account_id"].tolist()[:2]
    assert pd.isna(accounts["name"][2])
    assert accounts["csm"][1] == "unassigned"
    assert accounts["csm"][0] == said["said_by"][0]
    assert re.fullmatch("CSM [0-9a-f]{8}", accounts["csm"][0])
    assert re.fullmatch("Person [0-9a-f]{8}", said["said_by"][1])
    assert said["why"].tolist()[0] == HIDDEN
    assert said["should_be"].tolist() == ["85", HIDDEN]
    assert accounts["sponsor"].tolist()[0] == accounts["sponsor"].tolist()[1]
    assert re.fullmatch("Sponsor [0-9a-f]{8}", accounts["sponsor"][0])
    assert accounts["size"].tolist() == [12, 7, 7]
    assert use["user_id"].nunique() == 1
    assert accounts["segment"].tolist() == ["SMB", "SMB", "Ent"]
    reasons = rows(tables, "contracts")["churn_reason"]
    assert reasons.tolist()[:4] == ["price"] * 4
    assert reasons[4] == reasons[5]
    assert re.fullmatch("Reason [0-9a-f]{8}", reasons[4])
    kept = load_tables(workspace(tmp_path, files, anonymise=True, unmasked=["sponsor"]))
    assert rows(kept, "accounts")["sponsor"].tolist()[:2] == ["Zoe", "Zoe"]
    assert rows(kept, "accounts")["csm"][0] == accounts["csm"][0]
    with pytest.raises(DataError, match="unmasked: found 'csm'; an attribute of your own; this one names somebody"):
        load_tables(workspace(tmp_path, files, anonymise=True, unmasked=["sponsor", "csm"]))


def test_people_who_go_by_numbers_are_people(tmp_path) -> None:
    """Nothing says that the `csm` of attributes is text, so a column of numbers is read as numbers."""
    files = {
        "accounts.csv": "account_id,name,csm\n001,11,17\n002,12,17\n003,13,4\n",
        "attributes.csv": "account_id,valid_from,csm,name\n001,2024-01-01,17,11\n002,2024-01-01,4,12\n",
        "logins.csv": "account_id,at,user_id\n001,2024-05-01,7\n",
    }
    tables = load_tables(workspace(tmp_path, files, anonymise=True, tables={"logins": {"time": "at"}}))
    now, then = rows(tables, "accounts"), rows(tables, "attributes")
    assert then["csm"].tolist() == [now["csm"][0], now["csm"][2]]
    assert then["name"].tolist() == now["account_id"].tolist()[:2]
    assert tables.columns["attributes"]["csm"] == "text"
    assert re.fullmatch("CSM [0-9a-f]{8}", now["csm"][0])


def test_masks_of_rows_that_are_a_view(tmp_path, monkeypatch) -> None:
    """Large tables of events stay where they were read, and data.<table> is a view of them."""
    monkeypatch.setattr("healthlib.loading.LARGE", 1)
    files = {"usage.csv": "account_id,occurred_at,user_id\n001,2024-05-01,u1\n009,2024-05-02,u2\n002,2024-05-02,u2\n"}
    plain, masked = (load_tables(workspace(tmp_path, files, anonymise=masked)) for masked in (False, True))
    kinds = masked.engine.query("SELECT table_type FROM information_schema.tables WHERE table_name = 'usage'")
    assert kinds["table_type"].tolist() == ["VIEW"]
    digits = Secret(SECRET.encode()).masks("account", ["001", "002"])
    assert rows(masked, "usage")["account_id"].tolist() == [f"Account {digits[name]}" for name in rows(plain, "usage")["account_id"]]
    assert rows(masked, "usage")["_line"].tolist() == rows(plain, "usage")["_line"].tolist() == [2, 4]


@pytest.mark.parametrize(("keys", "said"), [
    ({"where": "user_id <> 'robot'"}, "metrics.m.where: found 'user_id', whose values are masked"),
    ({"measure": "share user_id like 'x%'"}, "metrics.m.measure: found 'user_id'"),
    ({"applies_to": {"csm": ["Jun"]}}, "metrics.m: found 'csm'"),
    ({"applies_to": {"sponsor": ["Zoe"]}}, r"`unmasked: \[sponsor\]` in workspace.yaml"),
])  # fmt: skip
def test_a_scorecard_that_asks_for_a_name_is_refused(tmp_path, keys, said) -> None:
    """It would count nothing, and nobody would see why."""
    space = asking(tmp_path, keys)
    assert load_tables(space.model_copy(update={"anonymise": False})).columns
    with pytest.raises(DataError, match=said):
        load_tables(space)


@pytest.mark.parametrize("keys", [{"measure": "distinct user_id"}, {"where": "user_id is not null"}, {"where": "quantity > 0"}])
def test_a_scorecard_that_only_counts_names_is_fine(tmp_path, keys) -> None:
    assert load_tables(asking(tmp_path, keys)).columns


def asking(folder: Path, keys: dict[str, Any]) -> Workspace:
    from healthlib.spec import Metric

    given = {"name": "m", "group": "adoption", "table": "usage", "measure": "count", "worst": 0, "best": 1} | keys
    card = SCORECARD.model_copy(update={"metrics": {"m": Metric.model_validate(given)}})
    files = {
        "accounts.csv": "account_id,name,csm,sponsor\n001,Ada,Jun,Zoe\n002,Bob,Jun,Zoe\n003,Cyd,Eli,Zoe\n",
        "usage.csv": "account_id,occurred_at,user_id,quantity\n001,2024-05-01,u1,1\n",
    }
    return workspace(folder, files, anonymise=True, scorecard=card)


@pytest.mark.parametrize("secret", ["", "  ", "short"])
def test_without_a_secret_one_plain_line_says_how_to_make_one(tmp_path, monkeypatch, capsys, secret) -> None:
    company(tmp_path / "acme")
    monkeypatch.setenv(KEY, secret)
    assert cli.main(["run", str(tmp_path / "acme"), "--anonymise", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("healthlib: names are masked under a secret")
    assert "token_hex" in said
    assert "short" not in said.replace("is too short", "")
    assert not list((tmp_path / "out").glob("acme/2*"))
    (tmp_path / "acme" / "workspace.yaml").write_text((tmp_path / "acme" / "workspace.yaml").read_text() + "anonymise: true\n")
    with pytest.raises(SecretError):
        load_tables(load_workspace(tmp_path / "acme"))
    assert readable(tmp_path / "acme").verdict == "no"


def test_the_key_of_the_workspace_masks_without_the_option(tmp_path) -> None:
    company(tmp_path / "acme")
    (tmp_path / "acme" / "workspace.yaml").write_text("name: Acme\ndata_through: 2026-11-30\nanonymise: true\nunmasked: [billing]\n")
    space = load_workspace(tmp_path / "acme")
    assert space.anonymise
    assert rows(load_tables(space), "accounts")["account_id"].str.startswith("Account ").all()


def test_reports_with_names_and_without_never_share_a_folder(tmp_path, capsys, monkeypatch) -> None:
    folder, out = str(company(tmp_path / "acme").folder), tmp_path / "out"
    assert cli.main(["suggest-scales", folder, "--anonymise", "--out", str(out)]) == 0
    assert cli.main(["diff", folder, folder, folder, "--anonymise", "--out", str(out)]) == 0
    assert where_it_stands(out, "Ltd") == []
    asked = ["run", folder, "--out", str(out)]
    assert cli.main(asked) == 2
    assert cli.main(["diff", folder, folder, folder, "--out", str(out)]) == 2
    assert "add --anonymise, or give another --out" in capsys.readouterr().err
    monkeypatch.setenv(KEY, OTHER)
    assert cli.main([*asked, "--anonymise"]) == 2
    assert "masked under another secret" in capsys.readouterr().err
    (out / "acme" / publish.MASKED).unlink()
    assert cli.main([*asked, "--anonymise"]) == 2
    assert "holds reports with names" in capsys.readouterr().err


def test_two_masks_are_never_alike_and_no_text_shows_the_secret(monkeypatch) -> None:
    monkeypatch.setattr(masks, "LETTERS", 1)
    secret = Secret(SECRET.encode())
    found = secret.masks("account", [f"A{i}" for i in range(300)])
    assert len(set(found.values())) == 300
    assert len({len(mask) for mask in found.values()}) > 1
    assert SECRET not in repr(secret)
    assert secret.digest("account", "A1") != secret.digest("user", "A1")
    assert progress.unsecret(f"x {SECRET} y") == "x *** y"


def test_every_column_of_the_schema_that_may_name_somebody_is_on_the_list() -> None:
    """A new text column of the schema must be put on one of the two lists."""
    from healthlib.anonymise import FREE, RARE
    from healthlib.schema import TABLES, TEXT

    stay = {
        "segment", "industry", "region", "plan", "billing_period", "outcome", "feature", "severity", "category", "kind", "persona",
        "direction", "milestone", "playbook", "experiment", "arm", "should_be", "metric", "scorecard",
    }  # fmt: skip
    known = {*MASKED, "name", *(column for _, column in (*FREE, *RARE))} | stay
    assert {name for table in TABLES.values() for name, kind in table.columns.items() if kind == TEXT} - known == set()


@pytest.mark.parametrize("account_id", ["Customer", None])
def test_a_sheet_keeps_its_folds_and_shows_no_name(tmp_path, account_id) -> None:
    """Folds go by the id, or by all that a row says; masks must not move an account to another one."""
    lines = "".join(f"C{i},{'yes' if i % 3 else 'no'},{i},Zoe {i % 2},Pro\n" for i in range(40))
    (tmp_path / "sheet.csv").write_text("Customer,Left,Months,Rep,Plan\n" + lines)
    (tmp_path / "scorecard.yaml").write_text(
        "groups: [use]\nmetrics: {months: {group: use, column: Months, worst: 0, best: 40, weight: 1}}\n"
        "bands: [{name: red, from: 0}, {name: green, from: 50}]\n"
    )
    key = "account_id: Customer, " if account_id else ""
    outcome = "outcome: {column: Left, churned: 'yes'}, attributes: {segment: Plan, rep: Rep}"
    (tmp_path / "workspace.yaml").write_text(f"name: x\nflat: {{file: sheet.csv, {key}{outcome}}}\n")
    both = [load_workspace(tmp_path, anonymise=masked) for masked in (False, True)]
    plain, masked = (flat.cases(load_tables(space), space, space.flat).sort_values("months") for space in both)
    assert plain["fold"].tolist() == masked["fold"].tolist()
    assert plain["fold"].nunique() > 3
    assert masked["account_id"].str.fullmatch("Account [0-9a-f]{8}").all()
    assert masked["rep"].str.fullmatch("Rep [0-9a-f]{8}").all()
    assert set(masked["segment"]) == {"Pro"}
