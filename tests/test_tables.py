"""Exports in, typed tables and rejected rows out. Every expectation is read off the small files written here."""

from __future__ import annotations

import gzip
import hashlib
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlib import csvrecords
from healthlib.csvfile import open_csv
from healthlib.csvrecords import tidy_csv
from healthlib.engine import Engine
from healthlib.errors import DataError, HealthlibError
from healthlib.rules import SHAPES, typed
from healthlib.schema import WHEN
from healthlib.spec import Band, Scorecard, TableSource, Workspace
from healthlib.tables import RejectedError, Tables, load_tables

SCORECARD = Scorecard(groups=("adoption",), metrics={}, bands=(Band.model_validate({"name": "red", "from": 0}),))
ACCOUNTS = "account_id,name,segment\n001,Ada,SMB\n002,Bob,SMB\n003,Cyd,Ent\n"
CONTRACTS = "account_id,start_date,end_date,arr\n001,2024-01-01,2025-01-01,100\n002,2024-02-01,,200\n003,2024-03-01,2025-03-01,300\n"
USAGE = "account_id,occurred_at,quantity\n001,2024-05-01,3\n002,2024-06-30T23:30:00-02:00,4\n"


def workspace(folder: Path, files: dict[str, str | bytes], **keys) -> Workspace:
    """A workspace of these files over three sound accounts with a contract each."""
    for name, content in {"accounts.csv": ACCOUNTS, "contracts.csv": CONTRACTS, "usage.csv": USAGE, **files}.items():
        if content:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Workspace.model_validate({"folder": folder, "name": "Test", "scorecard": SCORECARD, "max_rejected": 1.0, **keys})


def load(folder: Path, files: dict[str, str | bytes], **keys) -> Tables:
    return load_tables(workspace(folder, files, **keys))


def rows(tables: Tables, table: str) -> pd.DataFrame:
    return tables.engine.query(f'SELECT * FROM data."{table}" ORDER BY _line')


def counts(tables: Tables, table: str) -> list[int]:
    row = tables.report[tables.report["table"] == table]
    rows_in, used, rejected = row[["rows_in", "rows_used", "rows_rejected"]].to_numpy().tolist()[0]
    assert rows_in == used + rejected
    assert rejected == (len(tables.rejected[table]) if table in tables.rejected else 0)
    return [rows_in, used]


def test_canonical_files_need_no_mapping(tmp_path):
    tables = load(tmp_path, {})
    assert tables.columns["contracts"] == {"account_id": "text", "start_date": "when", "end_date": "when", "arr": "number"}
    assert rows(tables, "accounts")["account_id"].tolist() == ["001", "002", "003"]  # leading zeros stay
    assert rows(tables, "contracts")["arr"].tolist() == [100, 200, 300]
    assert rows(tables, "contracts")["arr"].dtype == "int64"
    assert tables.data_through == date(2024, 7, 1)  # 23:30 two hours west of Greenwich is the next day in UTC
    assert tables.rejected == {}
    assert tables.warnings == ()
    report = tables.report.set_index("table")
    assert report.loc["usage", "first_day"] == pd.Timestamp("2024-05-01")
    assert report.loc["usage", "last_day"] == pd.Timestamp("2024-07-01")
    assert report.loc["usage", "sha256"] == hashlib.sha256(USAGE.encode()).hexdigest()
    assert report["first_day"].isna().tolist() == [True, False, False]


def test_types_are_those_of_the_contract(tmp_path):
    contracts = "account_id,start_date,end_date,arr,auto_renew,seats,outcome\n001,2024-01-01,9999-12-31,1.5,Yes,NULL,Renewed\n"
    tables = load(tmp_path, {"contracts.csv": contracts})
    types = tables.engine.columns("SELECT * FROM data.contracts")
    assert types == {
        "account_id": "VARCHAR",
        "start_date": "TIMESTAMP",
        "end_date": "TIMESTAMP",
        "arr": "DOUBLE",
        "auto_renew": "BOOLEAN",
        "seats": "DOUBLE",
        "outcome": "VARCHAR",
        "_line": "BIGINT",
    }
    row = rows(tables, "contracts").iloc[0]
    assert pd.isna(row["end_date"])  # an end in the year 9999 is no end
    assert row["outcome"] == "renewed"
    assert bool(row["auto_renew"]) is True
    assert pd.isna(row["seats"])


@pytest.mark.parametrize(
    ("cells", "kind", "sql_type"),
    [
        (("1", "2", ""), "number", "BIGINT"),
        (("1", "2.5", "nan"), "number", "DOUBLE"),
        (("01", "2", "3"), "text", "VARCHAR"),
        (("true", "FALSE", ""), "flag", "BOOLEAN"),
        (("2024-01-01", "2024-02-01T10:00:00Z", ""), "when", "TIMESTAMP"),
        (("2024-01-01", "soon", ""), "text", "VARCHAR"),
        (("", "", ""), "text", "VARCHAR"),
        (("1", "x", ""), "text", "VARCHAR"),
        (("12345678901234567", "1", "1"), "text", "VARCHAR"),
    ],
)
def test_further_columns_are_typed_by_content(tmp_path, cells, kind, sql_type):
    accounts = "account_id,extra\n" + "".join(f"00{i},{cell}\n" for i, cell in enumerate(cells, start=1))
    tables = load(tmp_path, {"accounts.csv": accounts})
    assert tables.columns["accounts"]["extra"] == kind
    assert tables.engine.columns("SELECT extra FROM data.accounts") == {"extra": sql_type}


def test_a_date_the_contract_does_not_know_is_hidden_until_that_date(tmp_path):
    tables = load(tmp_path, {"usage.csv": "account_id,occurred_at,reviewed_on\n001,2024-05-01,2024-06-01\n"})
    assert tables.schemas["usage"].filled_later == {"reviewed_on": "reviewed_on"}


CONTRACT_HEAD = "account_id,start_date,end_date,arr,contract_id,outcome,auto_renew,seats\n"


@pytest.mark.parametrize(
    ("row", "column", "value", "rule"),
    [
        (",2024-01-01,,1,,,,", "account_id", "", "empty, but required"),
        ("001,,,1,,,,", "start_date", "", "empty, but required"),
        ("001,NULL,,1,,,,", "start_date", "NULL", "empty, but required"),
        ("001,2024-01-01,,,,,,", "arr", "", "empty, but required"),
        ("001,2024-02-30,,1,,,,", "start_date", "2024-02-30", "not an ISO date or timestamp"),
        ("001,05/01/2024,,1,,,,", "start_date", "05/01/2024", "not an ISO date or timestamp"),
        ("001,24-01-05,,1,,,,", "start_date", "24-01-05", "a year before 1900 or after 2199"),
        ("001,2024-01-01,never,1,,,,", "end_date", "never", "not an ISO date or timestamp"),
        ("001,2024-01-01,,1_000,,,,", "arr", "1_000", "not a number"),
        ('001,2024-01-01,,"1,00",,,,', "arr", "1,00", "not a number"),
        ("001,2024-01-01,,inf,,,,", "arr", "inf", "beyond 1e12"),
        ("001,2024-01-01,,2e12,,,,", "arr", "2e12", "beyond 1e12"),
        ("001,2024-01-01,,-1,,,,", "arr", "-1", "negative"),
        ("001,2024-01-01,,1,,,,-5", "seats", "-5", "negative"),
        ("001,2024-01-01,,1,,,maybe,", "auto_renew", "maybe", "not true or false"),
        ("001,2024-01-01,2024-01-01,1,,,,", "end_date", "2024-01-01", "ends on or before the day it starts"),
        ("001,2024-01-02,2024-01-01,1,,,,", "end_date", "2024-01-01", "ends on or before the day it starts"),
        ("001,2024-01-01,,1,,won,,", "outcome", "won", "not one of renewed, churned, open"),
        ("009,2024-01-01,,1,,,,", "account_id", "009", "an account that is not in accounts"),
        ("001,2024-01-01,,1,C1,,,", "contract_id, start_date", "C1, 2024-01-01", "a second row with this key; the first one stays"),
        ("001,2024-01-01,,1,,,", "", "001,2024-01-01,,1,,,", "too few columns: 7 where the header has 8"),
        ("001,2024-01-01,,1,,,,,x", "", "001,2024-01-01,,1,,,,,x", "too many columns: 9 where the header has 8"),
        ('001,2024-01-01,,1,"C9,,,', "", '001,2024-01-01,,1,"C9,,,', csvrecords.MISQUOTED),
    ],
)
def test_every_rule_sets_its_row_aside(tmp_path, row, column, value, rule):
    contracts = CONTRACT_HEAD + "001,2024-01-01,,1,C1,,,\n" + row + "\n002,2024-01-01,2024-02-01,1,C3,open,no,5\n"
    tables = load(tmp_path, {"contracts.csv": contracts})
    assert counts(tables, "contracts") == [3, 2]
    assert rows(tables, "contracts")["_line"].tolist() == [2, 4]
    rejected = tables.rejected["contracts"]
    assert rejected[["file", "line", "column", "value", "rule"]].iloc[0].tolist() == ["contracts.csv", 3, column, value, rule]
    assert rejected.columns[5:].tolist() == CONTRACT_HEAD.strip().split(",")


@pytest.mark.parametrize("clean", [True, False])
def test_a_spreadsheets_thousands_are_numbers_unless_the_column_shows_decimals(tmp_path, clean):
    """1,234 is a thousand and more in one country and one and a bit in the next: another comma in the column tells."""
    usage = 'account_id,occurred_at,quantity\n001,2024-05-01,"1,234"\n001,2024-05-01,"-12,345,678.50"\n001,2024-05-01,7\n'
    tables = load(tmp_path, {"usage.csv": usage + ("" if clean else "001,soon,1\n")})
    assert rows(tables, "usage")["quantity"].tolist() == [1234.0, -12345678.5, 7.0]
    tables = load(tmp_path, {"usage.csv": usage + '001,2024-05-01,"1,5"\n'})
    assert rows(tables, "usage")["quantity"].tolist() == [7]
    assert tables.rejected["usage"]["rule"].tolist() == ["not a number"] * 3
    semicolons = "account_id;occurred_at;quantity\n001;2024-05-01;1,234\n001;2024-05-01;7\n"
    tables = load(tmp_path, {"usage.csv": semicolons})
    assert rows(tables, "usage")["quantity"].tolist() == [7]


HEAD = "account_id,occurred_at,quantity,other\n"


@pytest.mark.parametrize(
    ("lines", "read", "told"),
    [
        (['"1,234",a', "7,b"], [1234, 7], True),
        (['"1,234",a', '"1,234.50",b'], [1234, 1234.5], False),
        (['"1,234",a', '7,"3,5"'], [7], False),
        (['"1,234",a', '"1,5",b', "7,c"], [7], False),
    ],
)
def test_1_234_alone_is_a_thousand_only_if_no_other_comma_of_the_file_means_decimals(tmp_path, lines, read, told):
    """Where nothing in the file tells, it is read as thousands and that is said; a text column with 3,5 tells."""
    tables = load(tmp_path, {"usage.csv": HEAD + "".join(f"001,2024-05-01,{line}\n" for line in lines)})
    assert rows(tables, "usage")["quantity"].tolist() == read
    assert counts(tables, "usage") == [len(lines), len(read)]
    said = [warning for warning in tables.warnings if "thousands or decimals" in warning]
    assert said == (
        [
            "usage.csv: a comma in quantity could mean thousands or decimals (as in 1,234; 1 rows), and nothing else in the file tells: "
            "thousands were read"
        ]
        if told
        else []
    )


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("# made by X\naccount_id,occurred_at\n001,2024-05-01\n", "", "takes what stands above line 2 of e.csv for no rows"),
        ("# made by X\naccount_id,occurred_at\n001,2024-05-01\n", ", skip = 1", None),
        ("account_id,occurred_at\n001,01/02/2024\n002,03/02/2024\n", "", "dates in e.csv are read as %d/%m/%Y, which is a guess"),
        ("account_id,occurred_at\n001,2024-05-01\n002,2024-05-02\n", "", None),
    ],
)
def test_what_the_database_guesses_about_a_file_is_said(tmp_path, content, options, said):
    """The rows it leaves out and the dates it turns round; an option of read_csv settles it, and then nothing is said."""
    (tmp_path / "e.csv").write_text(content, encoding="utf-8")
    sql = f"select account_id, occurred_at from read_csv('e.csv'{options})" if options else "select account_id, occurred_at from 'e.csv'"
    tables = load(tmp_path, {}, tables={"usage": TableSource(sql=sql)})
    found = [warning for warning in tables.warnings if "e.csv" in warning]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_a_blank_inside_a_time_is_not_taken_for_its_end(tmp_path):
    """The database's own cast reads `10: 9:00` as ten o'clock and drops the rest."""
    usage = "account_id,occurred_at\n001,2024-05-01T10:09:00\n001,2024-05-01T10: 9:00\n001,2024-05-01 10:00: 5\n"
    tables = load(tmp_path, {"usage.csv": usage})
    assert counts(tables, "usage") == [3, 1]
    assert set(tables.rejected["usage"]["rule"]) == {"not an ISO date or timestamp"}


def test_nan_in_a_file_is_nothing(tmp_path):
    tables = load(tmp_path, {"usage.csv": "account_id,occurred_at,quantity\n001,2024-05-01,nan\n001,2024-05-01,2\n"})
    assert tables.engine.query("SELECT sum(quantity) AS s FROM data.usage")["s"].tolist() == [2]
    contracts = "account_id,start_date,end_date,arr\n001,2024-01-01,,NaN\n002,2024-01-01,,1\n"
    assert counts(load(tmp_path, {"contracts.csv": contracts}), "contracts") == [2, 1]


def test_order_is_judged_by_day_and_a_row_has_its_first_fault_only(tmp_path):
    head = "account_id,opened_at,closed_at,satisfaction\n"
    tickets = f"{head}001,2024-05-01T10:00:00,2024-05-01,5\n001,2024-05-02,2024-05-01T23:59:59,5\n001,bad,bad,bad\n"
    tables = load(tmp_path, {"tickets.csv": tickets})
    assert counts(tables, "tickets") == [3, 1]
    assert tables.rejected["tickets"]["rule"].tolist() == ["before opened_at", "not an ISO date or timestamp"]
    assert tables.rejected["tickets"]["column"].tolist() == ["closed_at", "opened_at"]


def test_recorded_at_is_a_date_in_any_table(tmp_path):
    tables = load(tmp_path, {"usage.csv": "account_id,occurred_at,recorded_at\n001,2024-05-01,2024-08-01\n001,2024-05-01,later\n"})
    assert tables.columns["usage"]["recorded_at"] == "when"
    assert tables.rejected["usage"]["column"].tolist() == ["recorded_at"]
    assert tables.data_through == date(2024, 8, 1)


def test_the_first_sound_row_of_a_key_stays_and_rows_without_key_may_repeat(tmp_path):
    attributes = "account_id,valid_from,plan\n001,bad,A\n001,2024-01-01,B\n001,2024-01-01,C\n001,2024-01-02,D\n"
    tables = load(tmp_path, {"attributes.csv": attributes, "usage.csv": USAGE + "001,2024-05-01,3\n"})
    assert rows(tables, "attributes")["plan"].tolist() == ["B", "D"]
    assert tables.rejected["attributes"]["line"].tolist() == [2, 4]
    assert tables.rejected["attributes"].iloc[1][["column", "value"]].tolist() == ["account_id, valid_from", "001, 2024-01-01"]
    assert counts(tables, "usage") == [3, 3]


def test_lines_are_those_of_the_file(tmp_path):
    accounts = '\ufeff\r\naccount_id,name\r\n001,"Ada\r\n""the first""\r\n"\r\n\r\n   \r\n002,Bob\r\n'
    accounts += '003\r\n004,"open\r\n005,"Eve, ""E"""\r\n002,again\r\n\r\n'
    tables = load(tmp_path, {"accounts.csv": accounts, "contracts.csv": CONTRACTS.replace("003", "005")})
    found = rows(tables, "accounts")
    assert found["_line"].tolist() == [3, 8, 11]
    assert found["name"].tolist() == ['Ada\r\n"the first"\r\n', "Bob", 'Eve, "E"']
    assert tables.rejected["accounts"]["line"].tolist() == [9, 10, 12]
    assert counts(tables, "accounts") == [6, 3]
    assert tables.report["file"].iloc[0] == "accounts.csv"


def test_a_quote_left_open_swallows_no_sound_row(tmp_path):
    usage = "account_id,occurred_at,feature\n" + '001,2024-05-01,"5 inch\n' + "002,2024-05-01,x\n" * 3000
    tables = load(tmp_path, {"usage.csv": usage})
    assert counts(tables, "usage") == [3001, 3000]
    assert tables.rejected["usage"]["line"].tolist() == [2]


def test_bytes_that_are_not_utf8_cost_their_own_line_only(tmp_path):
    tables = load(tmp_path, {"accounts.csv": b"account_id,name\n001,Ada\n002,Z\xfcrich\n003,Z\xc3\xbcrich\n"})
    assert rows(tables, "accounts")["name"].tolist() == ["Ada", "Zürich"]
    assert tables.rejected["accounts"][["line", "rule"]].iloc[0].tolist() == [3, "bytes that are not UTF-8"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiter_line_end_byte_order_mark_and_packing_change_nothing(tmp_path, delimiter, newline):
    plain = load(tmp_path, {})
    usage = USAGE.replace(",", delimiter).replace("\n", newline)
    packed = gzip.compress(usage.encode())
    for content, name in [(usage.encode("utf-8-sig"), "usage.csv"), (usage.encode("utf-16"), "usage.csv"), (packed, "usage.csv.gz")]:
        (tmp_path / "usage.csv").unlink(missing_ok=True)
        same = load(tmp_path, {"usage.csv": "", name: content})
        pd.testing.assert_frame_equal(rows(same, "usage"), rows(plain, "usage"))
        assert same.report["sha256"].iloc[2] == hashlib.sha256(content).hexdigest()


def test_parquet_equals_csv(tmp_path):
    plain = load(tmp_path, {})
    (tmp_path / "usage.csv").unlink()
    moments = pd.to_datetime(["2024-05-01 00:00", "2024-07-01 01:30"])
    pd.DataFrame({"account_id": ["001", "002"], "occurred_at": moments, "quantity": [3.0, 4.0]}).to_parquet(tmp_path / "usage.parquet")
    parquet = load(tmp_path, {"usage.csv": ""})
    pd.testing.assert_frame_equal(rows(parquet, "usage"), rows(plain, "usage"))
    assert parquet.columns["usage"] == plain.columns["usage"]


def test_parquet_of_other_types(tmp_path):
    """Accounts numbered by floats, as pandas leaves them next to an empty one; a time with a zone; a line is the row + 1."""
    accounts = "account_id,name\n12,Ada\n13,Bob\n"
    zoned = pd.to_datetime(["2024-05-01 00:30+02:00", "2024-05-02 00:30+02:00", "2024-05-03 00:30+02:00"], utc=True)
    frame = pd.DataFrame({"account_id": [12.0, 13.0, None], "occurred_at": zoned, "tags": [[1], [2], []], "quantity": ["1", "x", "3"]})
    frame.to_parquet(tmp_path / "usage.parquet")
    contracts = CONTRACTS.replace("001", "12").replace("002", "13").replace("003", "12")
    tables = load(tmp_path, {"accounts.csv": accounts, "contracts.csv": contracts, "usage.csv": ""})
    found = rows(tables, "usage")
    assert found["account_id"].tolist() == ["12"]
    assert found["occurred_at"].tolist() == [pd.Timestamp("2024-04-30 22:30")]
    assert tables.rejected["usage"][["line", "column", "rule"]].values.tolist() == [
        [3, "quantity", "not a number"],
        [4, "account_id", "empty, but required"],
    ]


def test_mapping_renames_and_leaves_the_rest(tmp_path):
    deals = "Id;Close Date;Annual Amount;arr;Stage;value\n001;2024-01-01;100;7;Won;a\n002;x;100;7;Won;b\n"
    columns = {"account_id": "Id", "start_date": "Close Date", "end_date": "Close Date", "arr": "Annual Amount"}
    source = TableSource(file="exports/deals.csv", columns=columns)
    (tmp_path / "exports").mkdir()
    tables = load(tmp_path, {"contracts.csv": "", "exports/deals.csv": deals}, tables={"contracts": source})
    assert list(tables.columns["contracts"]) == ["account_id", "start_date", "end_date", "arr", "Stage", "value"]
    rejected = tables.rejected["contracts"]
    assert rejected.columns[5:].tolist() == ["Id", "Close Date", "Annual Amount", "Stage", "row:value"]
    assert rejected[["line", "column"]].values.tolist() == [[2, "Close Date"], [3, "Close Date"]]
    assert set(rejected["file"]) == {"exports/deals.csv"}
    assert counts(tables, "contracts") == [2, 0]


def test_a_query_over_files_is_a_source(tmp_path):
    sql = "select account as account_id, ts as occurred_at, n as quantity from 'events.csv' where n > 0 -- no zeros\n"
    events = "account,ts,n\n001,2024-05-01 10:00:00,2\n002,2024-05-02 10:00:00,0\n099,2024-05-03 10:00:00,1\n"
    tables = load(tmp_path, {"usage.csv": "", "events.csv": events}, tables={"usage": TableSource(sql=sql)})
    assert rows(tables, "usage")["quantity"].tolist() == [2]
    assert tables.rejected["usage"][["file", "line", "value"]].values.tolist() == [["workspace.yaml (tables.usage.sql)", 3, "099"]]
    before = tables.report["sha256"].iloc[2]
    changed = load(tmp_path, {"usage.csv": "", "events.csv": events + "\n"}, tables={"usage": TableSource(sql=sql)})
    assert changed.report["sha256"].iloc[2] != before


NO_SELECT = ("drop schema data", "select 1; select 2", "copy (select 1) to 'x.csv'", "selekt 1", "select * from 'no.csv'", ";")


@pytest.mark.parametrize("sql", NO_SELECT)
def test_a_query_is_one_select(tmp_path, sql):
    with pytest.raises(DataError, match=r"tables\.usage\.sql"):
        load(tmp_path, {}, tables={"usage": TableSource(sql=sql)})


def test_a_table_of_ones_own(tmp_path):
    courses = "account_id,taken_on,passed_on,points\n001,2024-05-01,2024-09-01,7\n001,,2024-05-02,7\n"
    tables = load(tmp_path, {"courses.csv": courses}, tables={"courses": TableSource(time="taken_on")})
    schema = tables.schemas["courses"]
    assert (schema.time, schema.filled_later) == ("taken_on", {"passed_on": "passed_on"})
    assert schema.columns == {"account_id": "text", "taken_on": "when", "passed_on": "when", "points": "number"}
    assert counts(tables, "courses") == [2, 1]


def test_all_structural_faults_at_once(tmp_path):
    (tmp_path / "surveys.parquet").write_bytes(b"PAR1 is not enough")
    (tmp_path / "goals.csv.gz").write_bytes(gzip.compress(b"account_id,goal\n001,x\n" * 50)[:40])
    files = {
        "accounts.csv": "",
        "account.csv": ACCOUNTS,
        "contracts.csv": "account_id,start,end_date,arr\n001,2024-01-01,,1\n",
        "usage.csv": b"\n",
        "tickets.csv": "account_id,opened_at\n",
        "ratings.csv": b"\x00\x01\x02\xff",
        "usage.parquet": "",
        "invoices.csv": "account_id,issued_at,amount,amount\n001,2024-01-01,1,2\n",
    }
    given_tables = {
        "touchpoints": TableSource(file="zoom_export.csv"),
        "courses": TableSource(file="usage.csv"),
        "advocacy": TableSource(sql="select nothing"),
        "workshops": TableSource(time="held_on"),
        "readings": TableSource(file="account.csv", columns={"value": "Nmae"}),
    }
    with pytest.raises(DataError) as caught:
        load(tmp_path, files, tables=given_tables)
    assert caught.value.exit_code == 2
    told = {(fault.file, fault.where): fault.nearest for fault in caught.value.faults}
    assert told == {
        ("accounts.csv", ""): "account.csv",
        ("contracts.csv", "start_date"): "start",
        ("usage.csv", "usage"): None,
        ("surveys.parquet", "surveys"): None,
        ("workspace.yaml", "tables.touchpoints.file"): None,
        ("ratings.csv", "ratings"): None,
        ("goals.csv.gz", "goals"): None,
        ("invoices.csv", "amount"): None,
        ("workspace.yaml", "tables.advocacy.sql"): None,
        ("account.csv", "Nmae"): "name",
        ("account.csv", "read_on"): None,
        ("account.csv", "metric"): None,
        ("workspace.yaml", "tables.courses"): None,
        ("workshops.csv", ""): None,
    }


def test_two_files_for_one_table_are_a_fault(tmp_path):
    with pytest.raises(DataError, match=r"usage.csv and usage.csv.gz"):
        load(tmp_path, {"usage.csv.gz": gzip.compress(USAGE.encode())})


def test_too_many_rejected_rows_stop_the_run_and_are_kept(tmp_path):
    usage = USAGE + "001,2024-05-01,x\n" * 2
    with pytest.raises(RejectedError) as caught:
        load(tmp_path, {"usage.csv": usage}, max_rejected=0.49)
    assert caught.value.exit_code == 1
    assert str(caught.value) == (
        "Test: more than 49.00% of the rows of 1 table was rejected (max_rejected)\n"
        "  usage: 2 of 4 rows (50.0%), most often \"quantity: not a number\" (2); first usage.csv:4: quantity: found 'x': not a number\n"
        "Mend the export or the mapping, or raise max_rejected in workspace.yaml; rejected/<table>.csv lists the rows."
    )
    assert caught.value.tables.rejected["usage"]["line"].tolist() == [4, 5]
    assert counts(load(tmp_path, {"usage.csv": usage}, max_rejected=0.5), "usage") == [4, 2]


def test_data_through(tmp_path):
    given_day = load(tmp_path, {}, data_through=date(2024, 6, 1))
    assert given_day.data_through == date(2024, 6, 1)
    assert given_day.warnings == ("usage: 1 row lies after data_through 2024-06-01 (occurred_at up to 2024-07-01); no figure uses them",)
    stray = load(tmp_path, {"usage.csv": USAGE + "001,2064-05-01,1\n"})
    assert stray.data_through == date(2064, 5, 1)
    assert "lies 14549 days after the one before it (2024-07-01)" in stray.warnings[0]
    (tmp_path / "usage.csv").unlink()
    bare = load(tmp_path, {"usage.csv": ""})
    assert bare.data_through == date(2024, 3, 1)  # the last contract start, for want of events
    assert "Set data_through" in bare.warnings[0]


def test_contracts_are_looked_at_twice(tmp_path):
    tables = load(tmp_path, {"contracts.csv": "account_id,start_date,end_date,arr\n001,2024-01-01,,1\n001,2024-01-01,,1\n"})
    assert tables.warnings == (
        "2 of 3 accounts have no contract and are never active (first: 002)",
        "1 contract repeats another one in every column (first: account 001); each counts towards ARR. "
        "Add contract_id to tell a copy from a second contract",
    )


def test_nothing_left_is_said_and_not_a_traceback(tmp_path):
    with pytest.raises(RejectedError):
        load(tmp_path, {"accounts.csv": "account_id\n009\n"}, max_rejected=0.01)
    with pytest.raises(DataError, match="no row with a date"):
        load(tmp_path, {"accounts.csv": "account_id\n009\n"})


@pytest.mark.parametrize("name", ["Account Name", "select", 'a"b', "NAME", "_line", "_r0", "file", "ü", "x'y", "c1"])
def test_any_column_name_will_do(tmp_path, name):
    header = '"' + name.replace('"', '""') + '"'
    tables = load(tmp_path, {"accounts.csv": f"account_id,name,{header}\n001,Ada,1\n002,Bob,2\n,x,3\n"})
    assert len(tables.columns["accounts"]) == 3
    assert len(tables.rejected["accounts"].columns) == 8
    assert tables.rejected["accounts"].columns.is_unique


def test_a_file_name_is_no_pattern(tmp_path):
    tables = load(tmp_path, {"usage.csv": "", "usage [1].csv": USAGE}, tables={"usage": TableSource(file="usage [1].csv")})
    assert counts(tables, "usage") == [2, 2]


def test_a_large_file_keeps_its_order_whatever_the_threads(tmp_path):
    days = pd.date_range("2020-01-01", periods=1000)
    lines = [f"00{i % 3 + 1},{days[i % 1000].date()},f{i}" for i in range(1_000_000)]
    usage = "account_id,occurred_at,feature\n" + "\n".join(lines) + "\n"
    for content in (usage, usage + "broken\n"):
        tables = load(tmp_path, {"usage.csv": content})
        wrong = tables.engine.query("SELECT count(*) AS n FROM data.usage WHERE feature <> 'f' || (_line - 2)")
        assert counts(tables, "usage")[1] == 1_000_000
        assert wrong["n"].iloc[0] == 0


def test_what_the_readers_own_dates_would_get_wrong(tmp_path):
    """Dates like the first one are typed by the CSV reader itself; left to it, an offset is dropped and a word becomes a day of 1900."""
    for first in ("2024-05-01", "2024-05-01T00:00:00", "2024-05-01 00:00:00", "2024-05-01T00:00:00Z"):
        head = f"account_id,occurred_at,recorded_at\n001,{first},2024-05-02\n"
        for cell in ("epoch", "Infinity", "2024-05-01T24", "2024-05-01 BC", "noon"):
            assert counts(load(tmp_path, {"usage.csv": f"{head}001,{cell},2024-05-02\n"}), "usage") == [2, 1]
        tables = load(tmp_path, {"usage.csv": f"{head}001,2024-05-01 23:30:00-02,2024-05-02T23:30:00-02:00\n"})
        found = rows(tables, "usage").iloc[1]
        assert [found["occurred_at"], found["recorded_at"]] == [pd.Timestamp("2024-05-02 01:30"), pd.Timestamp("2024-05-03 01:30")]
        assert rows(tables, "usage")["occurred_at"].iloc[0] == pd.Timestamp("2024-05-01")


SPOILERS = [",", '"', '""', "\n", "\r\n", "\r", "001", "2024-05-01", "3", "x", "\x00", " ", "\u00fc", "\ufeff", ";", "=1+1", "-1", "1e13"]
PIECES = st.sampled_from(SPOILERS)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 6), PIECES), max_size=6))
def test_a_spoilt_file_is_counted_in_full_or_refused_in_words(tmp_path, cuts):
    text = "account_id,occurred_at,quantity\n" + '001,2024-05-01,3\n"002",2024-05-02,"4"\n003,2024-05-03,\n' * 4
    for position, length, piece in cuts:
        at = position % len(text)
        text = text[:at] + piece + text[at + length :]
    try:
        tables = load(tmp_path, {"usage.csv": text})
    except HealthlibError as error:
        assert "usage.csv" in str(error)  # noqa: PT017
        return
    rows_in, rows_used = counts(tables, "usage")
    assert rows_in <= text.count("\n") + text.count("\r") + 1
    assert rows_used <= rows_in


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.one_of(PIECES, st.just("a,b,c\n"), st.just('"a",b,"c\nd"\n')), max_size=60), block=st.integers(1, 80))
def test_records_do_not_depend_on_the_way_they_were_found(tmp_path, pieces, block):
    """In blocks of any size, whole or line by line: the same records, the same lines, the same broken lines."""
    path = tmp_path / "x.csv"
    path.write_bytes(("a,b,c\n" + "".join(pieces)).encode())
    try:
        file = open_csv(path, tmp_path)
    except ValueError:
        return
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for size, careful in [(1 << 20, False), (block, False), (1 << 20, True)]:
            patch.setattr(csvrecords, "BLOCK", size)
            if careful:
                patch.setattr(csvrecords, "_plain_block", lambda *_: None)
                patch.setattr(csvrecords, "_quoted_block", lambda *_: None)
            written, broken = tidy_csv(file, tmp_path / "x.parquet")
            cells = pd.read_parquet(tmp_path / "x.parquet").astype(str)
            found.append((written, broken, cells.apply(lambda column: column.str.lstrip(" ")).values.tolist()))
    assert found[0] == found[1] == found[2]


ODD_MOMENTS = (
    "2024-02-03", "2024-02-03 10:20:30", "2024-02-03T10:20:30", "2024-02-03T10:20:30Z", "2024-2-3", "2024-02-30", "2024-02-03 10: 0:30",
    "2024-02-03 10:2 :+3", "2024-02-03T10:20:30+02", "2024-02-03T10:20:3Z", " 2024-02-03", "2024-02-0x", "٢024-02-03",
    "1999-12-31 23:59:60", "2024-02-03 24:00:00", "0024-02-03", "epoch", "", "____-__-__",
)  # fmt: skip


def test_a_date_is_read_as_its_shape_says_and_as_if_every_way_were_tried(tmp_path, monkeypatch):
    """The way a date looks to be written is a short cut: without it the same cells are dates, and the same days."""
    engine = Engine((tmp_path,))
    engine.put("cells", pd.DataFrame({"cell": list(ODD_MOMENTS)}))
    quick = engine.query(f"SELECT {typed('cell', 'VARCHAR', WHEN)} AS day FROM cells")["day"]
    for like in list(SHAPES):
        monkeypatch.delitem(SHAPES, like)
    monkeypatch.setitem(SHAPES, "no such cell", "%Y")
    slow = engine.query(f"SELECT {typed('cell', 'VARCHAR', WHEN)} AS day FROM cells")["day"]
    pd.testing.assert_series_equal(quick, slow)
    assert quick.head(5).notna().all()
    assert quick[[5, 6, 7]].isna().all()
