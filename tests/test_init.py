"""`healthlib init`: a folder of somebody's exports to a workspace that loads; foreign headers, odd dates, money, leaks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from healthlib import cli
from healthlib.errors import HealthlibError
from healthlib.init import Draft, write_workspace
from healthlib.init_profile import profile
from healthlib.init_read import read_exports
from healthlib.init_recognise import look, recognise
from healthlib.spec import load_workspace
from healthlib.studies.book import open_book
from healthlib.tables import Tables, load_tables
from healthlib.transcode import encoding_of

SHARED = Path(__file__).parents[2] / "shared" / "data"
BRANCHES = ("Bau", "Handel")
TIMED = ("crm5", "ravenstack", "ravenstack_excel", "gtm_schools", "complyflow", "oulad")


def shared(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"shared data set {name} is not here (../shared/data)")
    return SHARED / name


def started(tmp_path: Path, exports: Path) -> tuple[Draft, dict, Tables]:
    """The draft, workspace.yaml as plain data, and the loaded tables."""
    draft = write_workspace(tmp_path / "w", exports)
    tables = load_tables(load_workspace(tmp_path / "w"))
    return draft, yaml.safe_load((tmp_path / "w" / "workspace.yaml").read_text(encoding="utf-8")), tables


def column(tables: Tables, table: str, name: str) -> list:
    return tables.engine.query(f'SELECT "{name}" AS value FROM data."{table}" ORDER BY _line')["value"].tolist()


@pytest.fixture
def german(tmp_path: Path) -> Path:
    """Six customers as a German spreadsheet on Windows writes them: cp1252, semicolons, DD.MM.YYYY, 1.234,50 €, ja/nein."""
    folder = tmp_path / "exporte"
    folder.mkdir()
    files = {
        "Kundenliste.csv": [
            "Kundennummer;Firma;Branche;Status",
            *(f"K{i};Müller {i};{'Bau' if i % 2 else 'Handel'};aktiv" for i in range(6)),
        ],
        "Verträge.csv": [
            "Vertragsnummer;Kundennummer;Vertragsbeginn;Vertragsende;Jahresbetrag;Anzahl Lizenzen;Automatische Verlängerung",
            *(f"V{i};K{i};{13 + i}.02.2023;{13 + i}.02.2024;1.{i}00,50 €;{5 + i};{'ja' if i % 2 else 'nein'}" for i in range(6)),
            "V9;K1;14.02.2024;14.02.2025;2.000,00 €;7;ja",
        ],
        "NPS Umfrage.csv": ["Kunde;Datum;Punkte", *(f"Müller {i};{20 + i}.06.2023;{4 + i}" for i in range(6))],
        "Nutzung_2023_01.csv": ["Monat;Kunde;Nutzer;Anzahl", *(f"2023-03;K{i};u{i};{i + 1}" for i in range(6))],
        "Nutzung_2023_02.csv": ["Monat;Kunde;Nutzer;Anzahl", *(f"2023-04;K{i};u{i};{i + 2}" for i in range(6))],
    }
    for name, lines in files.items():
        (folder / name).write_bytes("\r\n".join(lines).encode("cp1252") + b"\r\n")
    return folder


def test_a_german_folder_is_understood_and_loads(german: Path, tmp_path: Path) -> None:
    draft, written, tables = started(tmp_path, german)
    assert list(written["tables"]) == ["accounts", "contracts", "usage", "surveys"]
    assert column(tables, "accounts", "name")[0] == "Müller 0"
    assert column(tables, "contracts", "arr") == [1000.5, 1100.5, 1200.5, 1300.5, 1400.5, 1500.5, 2000.0]
    assert str(column(tables, "contracts", "start_date")[0]) == "2023-02-13 00:00:00"
    assert column(tables, "contracts", "auto_renew")[:2] == [False, True]
    assert column(tables, "contracts", "seats") == [5, 6, 7, 8, 9, 10, 7]
    assert {str(day)[:10] for day in column(tables, "usage", "occurred_at")} == {"2023-03-31", "2023-04-30"}, (
        "a month is known on its last day"
    )
    assert len(column(tables, "usage", "quantity")) == 12, "both files of the export cut in two"
    assert written["currency"] == "EUR"
    assert written["outcome"]["kind"] == "renewal"
    assert any("Status" in said for said in draft.leaks)


def test_a_row_of_a_stranger_is_rejected_and_counted_not_dropped(german: Path, tmp_path: Path) -> None:
    with (german / "NPS Umfrage.csv").open("ab") as file:
        file.write(b"Niemand;21.06.2023;3\r\n")
    write_workspace(tmp_path / "w", german)
    text = (tmp_path / "w" / "workspace.yaml").read_text(encoding="utf-8")
    assert "1 rows name no known account" in text
    (tmp_path / "w" / "workspace.yaml").write_text(text + "max_rejected: 0.5\n", encoding="utf-8")
    report = load_tables(load_workspace(tmp_path / "w")).report.set_index("table")
    assert report.loc["surveys", ["rows_in", "rows_used", "rows_rejected"]].tolist() == [7, 6, 1]


def test_every_guess_carries_its_evidence(german: Path, tmp_path: Path) -> None:
    write_workspace(tmp_path / "w", german)
    text = (tmp_path / "w" / "workspace.yaml").read_text(encoding="utf-8")
    for said in ("joins 6 of 6 account ids", "samples are DD.MM.YYYY", "decimal comma", "NOT USED, may know the future: Status", "guess:"):
        assert said in text
    assert "../exporte/" in text
    assert str(tmp_path) not in text
    scorecard = yaml.safe_load((tmp_path / "w" / "scorecard.yaml").read_text(encoding="utf-8"))
    assert sum(metric["weight"] for metric in scorecard["metrics"].values()) == 100
    assert [band["name"] for band in scorecard["bands"]] == ["red", "yellow", "green"]


@pytest.mark.parametrize(
    ("cells", "kind", "formats"),
    [
        (["2023-01-31", "2024-02-01"], "when", ()),
        (["31-01-2023", "01-02-2024"], "when", ("%d-%m-%Y",)),
        (["01/31/2023", "02/01/2024"], "when", ("%m/%d/%Y",)),
        (["31/01/2023 14:05", "01/02/2024 09:00"], "when", ("%d/%m/%Y %H:%M",)),
        (["1/31/23 2:05 PM", "2/1/24 9:00 AM"], "when", ("%m/%d/%y %I:%M %p",)),
        (["5 Jan 2023", "12 Dec 2024"], "when", ("%d %b %Y",)),
        (["13/01/2023", "01/13/2023"], "text", ()),
        (["0012", "0345"], "text", ()),
        (["12k", "13k"], "text", ()),
        (["(1,200)", "(300)"], "text", ()),
    ],
)
def test_dates_and_codes_are_told_apart(cells: list[str], kind: str, formats: tuple[str, ...]) -> None:
    found = profile(pd.DataFrame({"x": cells}))["x"]
    assert (found.kind, found.formats) == (kind, formats)


@pytest.mark.parametrize(
    ("cells", "decimal"),
    [(["1,234.50", "99"], "."), (["1.234,50 €", "99 €"], ","), (["$1,200", "$30"], "."), (["1 234,5", "2"], ","), (["1.5", "2"], "")],
)
def test_money_is_read_with_its_own_comma(cells: list[str], decimal: str) -> None:
    found = profile(pd.DataFrame({"x": cells}))["x"]
    assert (found.kind, found.decimal) == ("number", decimal)


def test_dates_that_leave_it_open_follow_the_others(tmp_path: Path) -> None:
    (tmp_path / "contracts.csv").write_text("account_id,start,end,arr\na,01/02/2023,25/12/2024,1\nb,02/03/2023,26/12/2024,1\n")
    (tmp_path / "accounts.csv").write_text("account_id,since\na,01/02/2020\nb,03/04/2020\n")
    sheets, _ = read_exports(tmp_path)
    columns = {sheet.label: found for sheet, found in look(sheets)}
    assert columns["contracts.csv"]["start"].formats == ("%d/%m/%Y",)
    assert columns["accounts.csv"]["since"].formats == ("%d/%m/%Y",)
    assert "guess" in columns["accounts.csv"]["since"].said


@pytest.fixture
def american(tmp_path: Path) -> Path:
    """Salesforce accounts and won deals, users that lead from product events to accounts, churn events, in UTF-16 and tabs."""
    folder = tmp_path / "exports"
    folder.mkdir()
    ids = [f"0015e{i:05d}" for i in range(12)]
    deals = [
        f'006{i:04d},{ids[i % 12]},"{"Closed Won" if i % 3 else "Closed Lost"}","$1,{i:03d}.00",0{1 + i % 9}/2{i % 9}/2023'
        for i in range(36)
    ]
    events = [f"u{i % 30}\tLogin\t2023-10-{1 + i % 28:02d}T10:00:00Z" for i in range(90)]
    files = {
        "Account.csv": ("utf-8-sig", ["Id,Name,Industry,BillingCountry", *(f'{key},"Acme, {i}",IT,US' for i, key in enumerate(ids))]),
        "Opportunity.csv": ("utf-16", ["Id,AccountId,StageName,Amount,CloseDate", *deals]),
        "users.csv": ("utf-8", ["user_id,account_id,email", *(f"u{i},{ids[i % 12]},u{i}@example.org" for i in range(30))]),
        "tracks.csv": (
            "utf-8",
            ["userId\tevent\ttimestamp", *events],
        ),
        "churn_events.csv": ("utf-8", ["account_id,churn_date", f"{ids[0]},2023-11-01", f"{ids[1]},2023-11-02"]),
    }
    for name, (encoding, lines) in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding=encoding)
    return folder


def test_won_deals_become_terms_and_events_find_their_account_through_users(american: Path, tmp_path: Path) -> None:
    assert encoding_of(american / "Opportunity.csv") == "utf-16"
    draft, written, tables = started(tmp_path, american)
    assert set(written["tables"]) == {"accounts", "contracts", "usage"}
    assert len(column(tables, "contracts", "arr")) == 24, "lost deals are no contracts"
    assert column(tables, "contracts", "arr")[0] == 1001.0
    assert set(tables.report["rows_rejected"]) == {0}
    assert set(column(tables, "usage", "account_id")) == {f"0015e{i:05d}" for i in range(12)}
    assert any("churn_events.csv" in said and "outcome" in said for said in draft.left)
    metrics = load_workspace(tmp_path / "w").scorecard.metrics
    assert {"active_users", "usage_volume", "days_silent", "tenure"} <= set(metrics)


def test_the_hash_of_a_query_covers_every_file_it_reads(american: Path, tmp_path: Path) -> None:
    """Empty texts in the SQL ('') must not hide the second file: the report would not say that its input changed."""
    before = started(tmp_path, american)[2].report.set_index("table")["sha256"]
    with (american / "users.csv").open("a") as file:
        file.write("u99,0015e00001,new@example.org\n")
    after = load_tables(load_workspace(tmp_path / "w")).report.set_index("table")["sha256"]
    assert (before != after).to_dict() == {"accounts": False, "contracts": False, "usage": True}


def test_a_flat_sheet_becomes_a_flat_section(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    rows = [
        f"c{i},{i % 7},{10 + i}.5,{'Yes' if i % 4 else 'No'},{'open' if i % 9 else ''},{'Yes' if i % 5 == 0 else 'No'}" for i in range(80)
    ]
    (folder / "sheet.csv").write_text("customerID,Logins,MonthlyCharges,TechSupport,Status,Churn\n" + "\n".join(rows) + "\n")
    write_workspace(tmp_path / "w", folder)
    flat = yaml.safe_load((tmp_path / "w" / "workspace.yaml").read_text())["flat"]
    assert flat == {
        "file": "../x/sheet.csv",
        "account_id": "customerID",
        "outcome": {"column": "Churn", "churned": "Yes"},
        "arr": {"column": "MonthlyCharges", "times": 12},
    }
    metrics = yaml.safe_load((tmp_path / "w" / "scorecard.yaml").read_text())["metrics"]
    assert {name: metric["column"] for name, metric in metrics.items()} == {
        "logins": "Logins", "monthly_charges": "MonthlyCharges", "tech_support": "\"TechSupport\" = 'Yes'",
    }  # fmt: skip
    assert metrics["monthly_charges"]["better"] == "lower"


def test_nothing_is_overwritten_and_nothing_goes_into_the_exports(german: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in german.iterdir()}
    write_workspace(tmp_path / "w", german)
    (tmp_path / "w" / "workspace.yaml").write_text("mine")
    with pytest.raises(HealthlibError, match="exist already; nothing written"):
        write_workspace(tmp_path / "w", german)
    assert (tmp_path / "w" / "workspace.yaml").read_text() == "mine"
    write_workspace(tmp_path / "w", german, force=True)
    assert (tmp_path / "w" / "workspace.yaml").read_text(encoding="utf-8").startswith("# A first draft")
    with pytest.raises(HealthlibError, match="lies in the folder of exports"):
        write_workspace(german / "inside", german)
    assert {path: path.read_bytes() for path in german.iterdir()} == before


def test_exports_without_contracts_and_outcome_leave_nothing_half_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "colours.csv").write_text("shade,tone\nred,1\nblue,2\n")
    assert cli.main(["init", str(tmp_path / "w"), "--exports", str(tmp_path / "x")]) == 2
    said = capsys.readouterr().err
    assert "no file tells of contracts" in said
    assert "colours.csv: 2 rows" in said
    assert not (tmp_path / "w").exists()
    assert cli.main(["init", str(tmp_path / "w"), "--exports", str(tmp_path / "nowhere")]) == 2


def test_headers_cannot_break_out_of_their_comment_or_quotes(tmp_path: Path) -> None:
    folder = tmp_path / "it's [1]"
    folder.mkdir()
    odd = '"x\nkind: evil","#a: ""b""",'
    (folder / "accounts.csv").write_text(f"account_id,{odd}name\n" + "".join(f'a{i},"p\nq",z,n{i}\n' for i in range(9)))
    (folder / "subs [1].csv").write_text(
        "account_id,start date,end date,arr,cancelled\n" + "".join(f"a{i},2023-01-0{i + 1},,9,\n" for i in range(9))
    )
    draft, written, tables = started(tmp_path, folder)
    assert set(written) == {"name", "currency", "reads", "tables", "outcome"}
    assert tables.report["rows_used"].tolist() == [9, 9]
    assert draft.told["contracts"].startswith("subs [1].csv")


def test_lines_that_begin_with_a_hash_and_headers_that_stand_twice_lose_no_row(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "customers.csv").write_text("customer id,Name,name\n" + "".join(f"#{i},it's {i},other\n" for i in range(9)))
    terms = "".join(f"#{i},0{i + 1}.02.2023,2{i}.02.2024,9\n" for i in range(9))
    (folder / "contracts.csv").write_text("customer id,start date,end date,arr\n" + terms)
    _, _, tables = started(tmp_path, folder)
    assert tables.report["rows_in"].tolist() == [9, 9]
    assert column(tables, "accounts", "name")[3] == "it's 3"


def test_a_line_with_too_many_cells_is_said_before_it_stops_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "customers.csv").write_text("customer id,name\na,b\nc,d\n")
    (folder / "contracts.csv").write_text("customer id,start date,end date,mrr\na,2023-01-01,2024-01-01,9\nc,2023-01-01,,9,9\n")
    draft = write_workspace(tmp_path / "w", folder)
    assert any("1 lines have more cells than the header, the first is line 3 with 5 where 4 are expected" in said for said in draft.left)


def test_parquet_needs_no_conversion(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    days = pd.date_range("2023-01-01", periods=8, freq="30D")
    pd.DataFrame({"customer_id": range(8), "company": [f"c{i}" for i in range(8)]}).to_parquet(folder / "customers.parquet")
    terms = pd.DataFrame({"customer_id": range(8), "start_date": days, "end_date": days + pd.Timedelta(days=365), "mrr": [1.5] * 8})
    terms.to_parquet(folder / "subscriptions.parquet")
    _, written, tables = started(tmp_path, folder)
    assert written["tables"]["accounts"] == {"file": "../x/customers.parquet", "columns": {"account_id": "customer_id", "name": "company"}}
    assert column(tables, "contracts", "arr") == [18.0] * 8


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMED)
def test_every_shared_set_loads_and_opens(name: str, tmp_path: Path) -> None:
    write_workspace(tmp_path / "w", shared(name))
    workspace = load_workspace(tmp_path / "w")
    book = open_book(workspace)
    kinds = {"gtm_schools": "renewal"}
    assert workspace.outcome.kind == kinds.get(name, "churn_within")
    assert {"renewed", "churned"} <= set(book.cases["outcome"])
    assert book.history[list(workspace.scorecard.metrics)].notna().any().all()


TABLES_OF = {
    "crm5": {"accounts": "account.csv", "contracts": "subscription.csv", "usage": "usage_month.csv"},
    "ravenstack_excel": {"accounts": "accounts", "contracts": "subscriptions", "usage": "feature_usage", "tickets": "support_tickets"},
    "gtm_schools": {"accounts": "users", "contracts": "renewals", "usage": "engagement_events", "lesson_plans": "lesson_plans"},
    "complyflow": {"accounts": "accounts", "contracts": "subscriptions", "score_history": "health_scores", "interventions": "experiments"},
    "oulad": {"accounts": "student.csv", "contracts": "student_registration", "usage": "student_assessment"},
}


@pytest.mark.parametrize("name", list(TABLES_OF))
def test_the_tables_of_the_shared_sets_are_recognised(name: str) -> None:
    sheets, _ = read_exports(shared(name))
    found = recognise(look(sheets))
    assert found is not None
    assert found.contracts is not None
    placed = {one.table: one.sheet.label for one in (found.accounts, found.contracts, *found.events)}
    assert placed.keys() == TABLES_OF[name].keys()
    assert all(part in placed[table] for table, part in TABLES_OF[name].items())


def test_ravenstack_and_its_spreadsheet_copy_give_the_same_rows(tmp_path: Path) -> None:
    frames = []
    for name in ("ravenstack", "ravenstack_excel"):
        write_workspace(tmp_path / name, shared(name))
        tables = load_tables(load_workspace(tmp_path / name))
        frames.append(
            {table: tables.engine.query(f"SELECT * FROM data.{table} ORDER BY _line") for table in ("contracts", "usage", "tickets")}
        )
    for table, frame in frames[0].items():
        names = [name for name in frame.columns if name in frames[1][table].columns]
        pd.testing.assert_frame_equal(frame[names], frames[1][table][names], check_like=True)


@pytest.mark.parametrize(("name", "churned", "rows"), [("telco", "Yes", "1869 of 7043"), ("iranian", "1", "495 of 3150")])
def test_flat_shared_sets(name: str, churned: str, rows: str, tmp_path: Path) -> None:
    write_workspace(tmp_path / "w", shared(name))
    text = (tmp_path / "w" / "workspace.yaml").read_text()
    assert yaml.safe_load(text)["flat"]["outcome"] == {"column": "Churn", "churned": churned}
    assert rows in text
    metrics = yaml.safe_load((tmp_path / "w" / "scorecard.yaml").read_text())["metrics"]
    assert sum(metric["weight"] for metric in metrics.values()) == 100
    assert not {"status", "churn"} & set(metrics)
