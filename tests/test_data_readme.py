"""data/README.md says what healthlib/schema.py says, and every recipe in it runs and gives rows that keep every rule."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from healthlib.schema import TABLES
from healthlib.spec import TableSource

from .test_tables import load, rows

README = (Path(__file__).parents[1] / "data" / "README.md").read_text(encoding="utf-8")
RECIPES = {(m[1], m[2]): m[3] for m in re.finditer(r"```sql recipe=(\w+) table=(\w+)\n(.*?)```", README, re.DOTALL)}
ACCOUNTS = "account_id,name\nA,Ada\nB,Bob\n41,Cyd\n42,Dan\n"
CONTRACTS = "account_id,start_date,end_date,arr\nA,2023-01-01,,1\nB,2023-01-01,,1\n"
SOURCES = {
    "salesforce": """
        CREATE TABLE opportunity AS SELECT * FROM (VALUES
            ('o1', 'A', 'c1', DATE '2023-12-20', 24000.0, true, false), ('o2', 'B', NULL, DATE '2024-02-01', 500.0, true, false),
            ('o3', 'A', NULL, DATE '2024-03-01', 900.0, false, false), ('o4', 'A', NULL, DATE '2024-03-01', 900.0, true, true)
        ) t(id, account_id, contract_id, close_date, amount, is_won, is_deleted);
        CREATE TABLE contract AS SELECT * FROM (VALUES ('c1', DATE '2024-01-01', DATE '2025-12-31', 24, 10, true))
            t(id, start_date, end_date, contract_term, number_of_seats__c, auto_renew__c);
    """,
    "hubspot": """
        CREATE TABLE deal AS SELECT * FROM (VALUES
            (7, TIMESTAMPTZ '2024-01-05 10:00+00', DATE '2024-02-01', DATE '2025-02-01', 1200.0, NULL, true),
            (8, TIMESTAMPTZ '2024-01-06 10:00+00', NULL, NULL, NULL, 50.0, true),
            (9, TIMESTAMPTZ '2024-01-06 10:00+00', NULL, NULL, 99.0, 50.0, false)
        ) t(deal_id, property_closedate, property_contract_start_date, property_contract_end_date, property_hs_arr, property_hs_mrr,
            property_hs_is_closed_won);
        CREATE TABLE deal_company AS SELECT * FROM (VALUES
            (7, 41, 5), (7, 42, 341), (8, 42, 5), (9, 41, 5)) t(deal_id, company_id, type_id);
    """,
    "zendesk": """
        CREATE TABLE organization AS SELECT * FROM (VALUES (1, 'A'), (2, NULL)) t(id, external_id);
        CREATE TABLE ticket AS SELECT * FROM (VALUES
            (11, 1, TIMESTAMPTZ '2024-05-01 10:00+00', 'urgent', 'problem', 'closed'),
            (12, 1, TIMESTAMPTZ '2024-05-02 10:00+00', NULL, NULL, 'open'),
            (13, 2, TIMESTAMPTZ '2024-05-02 10:00+00', NULL, NULL, 'open'),
            (14, 1, TIMESTAMPTZ '2024-05-02 10:00+00', NULL, NULL, 'deleted')
        ) t(id, organization_id, created_at, priority, type, status);
        CREATE TABLE ticket_metric AS SELECT 11 AS ticket_id, TIMESTAMPTZ '2024-05-03 10:00+00' AS solved_at;
        CREATE TABLE satisfaction_rating AS SELECT * FROM (VALUES (11, 'offered'), (11, 'good'), (12, 'offered')) t(ticket_id, score);
    """,
    "stripe": """
        CREATE TABLE subscription AS SELECT * FROM (VALUES
            ('s1', 'A', 'active', TIMESTAMP '2024-01-01 08:00:00', NULL),
            ('s2', 'B', 'canceled', TIMESTAMP '2024-01-01 08:00:00', TIMESTAMP '2024-06-01 08:00:00'),
            ('s3', 'B', 'trialing', TIMESTAMP '2024-07-01 08:00:00', NULL),
            ('s4', 'B', 'canceled', TIMESTAMP '2024-07-01 08:00:00', TIMESTAMP '2024-07-01 09:00:00')
        ) t(id, customer_id, status, start_date, ended_at);
        CREATE TABLE subscription_item AS SELECT * FROM (VALUES
            ('s1', 'm', 3), ('s1', 'y', 1), ('s1', 'metered', NULL), ('s2', 'q', 2), ('s3', 'm', 1),
            ('s4', 'm', 1)) t(subscription_id, price_id, quantity);
        CREATE TABLE price AS SELECT * FROM (VALUES
            ('m', 1000, 'month', 1), ('y', 50000, 'year', 1), ('q', 3000, 'month', 3), ('metered', NULL, 'month', 1))
            t(id, unit_amount, recurring_interval, recurring_interval_count);
    """,
    "segment": """
        CREATE TABLE tracks AS SELECT * FROM (VALUES
            ('A', TIMESTAMP '2024-05-01 10:00:00', 'u1', 'export', TIMESTAMP '2024-05-01 10:00:01'),
            ('A', TIMESTAMP '2024-05-01 11:00:00', 'u1', 'export', TIMESTAMP '2024-05-08 10:00:01'),
            (NULL, TIMESTAMP '2024-05-01 11:00:00', 'u2', 'export', TIMESTAMP '2024-05-08 10:00:01')
        ) t(context_group_id, timestamp, user_id, event, received_at);
    """,
    "amplitude": """
        CREATE TABLE events AS SELECT * FROM (VALUES
            ('A', TIMESTAMP '2024-05-01 10:00:00', 'u1', 'export', TIMESTAMP '2024-05-02 10:00:01'),
            ('A', TIMESTAMP '2024-05-01 10:00:00', 'u1', '[Amplitude] Start Session', TIMESTAMP '2024-05-02 10:00:01')
        ) t(group_company, event_time, user_id, event_type, server_upload_time);
    """,
    "gainsight": """
        CREATE TABLE scorecard_history AS SELECT * FROM (VALUES
            ('A', DATE '2024-05-01', 'Overall Score', 71.0, 'Enterprise', TIMESTAMP '2024-05-03 10:00:00'),
            ('A', DATE '2024-05-01', 'Product Usage', 60.0, 'Enterprise', TIMESTAMP '2024-05-03 10:00:00'),
            ('B', DATE '2024-05-01', 'Overall Score', NULL, 'Enterprise', TIMESTAMP '2024-05-03 10:00:00')
        ) t(company_id, snapshot_date, measure_name, score, scorecard_name, modified_date);
    """,
}
DAY = pd.Timestamp
EXPECTED = {
    ("salesforce", "contracts"): [
        ("A", "o1", DAY("2024-01-01"), DAY("2026-01-01"), 12000, 10, True),
        ("B", "o2", DAY("2024-02-01"), None, 500, None, None),
    ],
    ("hubspot", "contracts"): [
        ("42", "8", DAY("2024-01-06"), None, 600),
        ("41", "7", DAY("2024-02-01"), DAY("2025-02-01"), 1200),
    ],
    ("zendesk", "tickets"): [
        ("A", "11", DAY("2024-05-01 10:00"), DAY("2024-05-03 10:00"), "urgent", "problem", 1),
        ("A", "12", DAY("2024-05-02 10:00"), None, None, None, None),
    ],
    ("stripe", "contracts"): [("A", "s1", DAY("2024-01-01"), None, 860, 4), ("B", "s2", DAY("2024-01-01"), DAY("2024-06-01"), 240, 2)],
    ("segment", "usage"): [("A", DAY("2024-05-01"), "u1", "export", 2, DAY("2024-05-08"))],
    ("amplitude", "usage"): [("A", DAY("2024-05-01"), "u1", "export", 1, DAY("2024-05-02"))],
    ("gainsight", "score_history"): [("A", DAY("2024-05-01"), 71, "Enterprise", DAY("2024-05-03"))],
    ("gainsight", "readings"): [("A", DAY("2024-05-01"), "product_usage", 60, DAY("2024-05-03"))],
}


def described(table: str) -> list[list[str]]:
    """The rows of the table of columns under a heading."""
    section = README.split(f"\n### {table}\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]
    lines = [line for line in section.split("\n") if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_table_is_described() -> None:
    headings = re.findall(r"^### (\w+)$", README, re.MULTILINE)
    assert headings == list(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_those_of_the_schema(table: str) -> None:
    schema = TABLES[table]
    expected = [
        [name, kind, "yes" if name in schema.required else "", schema.filled_later.get(name, "")] for name, kind in schema.columns.items()
    ]
    assert [cells[:4] for cells in described(table)] == expected
    section = README.split(f"\n### {table}\n", 1)[1].split("\n### ", 1)[0]
    assert f"Clock: `{schema.time}`." in section if schema.time else "Clock: none" in section
    for name in [*schema.key, *schema.not_negative, *(later for _, later in schema.order)]:
        assert f"`{name}`" in section.split("Also rejected:", 1)[1]


def test_every_recipe_has_a_test() -> None:
    assert set(RECIPES) == set(EXPECTED)


@pytest.mark.parametrize(("source", "table"), list(EXPECTED))
def test_a_recipe_gives_sound_rows(tmp_path: Path, source: str, table: str) -> None:
    """The rows expected were worked out by hand from the tiny tables above."""
    with duckdb.connect(str(tmp_path / "source.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(SOURCES[source])
    files: dict[str, str | bytes] = {"accounts.csv": ACCOUNTS, "contracts.csv": CONTRACTS, "usage.csv": "", f"{table}.csv": ""}
    tables = load(tmp_path, files, database="duckdb:///source.duckdb", tables={table: TableSource(query=RECIPES[source, table])})
    assert table not in tables.rejected
    found = rows(tables, table).drop(columns="_line").astype(object)
    assert [tuple(row) for row in found.where(found.notna(), None).to_numpy().tolist()] == EXPECTED[source, table]
