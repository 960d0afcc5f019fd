"""The first hour of an analyst: a folder as it comes, through init and check to a score; each thing that is wrong with it is named."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from healthlib import cli

CUSTOMERS = 40
BOM = b"\xef\xbb\xbf"


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Forty customers of a French CRM: French headers, DD-MM-YYYY, TRUE, "€ 1,234.50", a byte-order mark.

    Planted: three tickets of accounts that do not exist, a deal told twice, a deal that ends before it starts, and a status
    that was overwritten when the customer left (every account without a second deal says `résilié`).
    """
    folder = tmp_path / "exports"
    folder.mkdir()
    left = {number for number in range(CUSTOMERS) if number % 4 == 0}
    clients = [f"K{n:03d},Client {n},{'Bâtiment' if n % 2 else 'Santé'},{'résilié' if n in left else 'actif'}" for n in range(CUSTOMERS)]
    deals, events, tickets = [], [], []
    for number in range(CUSTOMERS):
        month, day = 1 + number % 12, 13 + number % 14
        for year in (2021, 2022, 2023):
            if number in left and year == 2023:
                continue
            seen = "TRUE" if number % 3 else "FALSE"
            term = f"{day:02d}-{month:02d}-{year},{day:02d}-{month:02d}-{year + 1}"
            deals.append(f'D{year}{number:03d},K{number:03d},{term},"€ 1,{200 + number}.50",{seen}')
        for when in range(36):
            events.append(
                f"{1 + (number + when) % 28:02d}-{1 + when % 12:02d}-{2021 + when // 12},K{number:03d},u{number}-{when % 3},{1 + when % 5}"
            )
        tickets.append(f"T{number:03d},K{number:03d},{day:02d}-{month:02d}-2022,{day + 1:02d}-{month:02d}-2022")
    tickets += [f"T9{n},X99{n},14-05-2022,15-05-2022" for n in range(3)]
    deals.append('D9999,K001,20-06-2023,19-06-2023,"€ 1,300.00",TRUE')
    deals.append(deals[0])
    files = {
        "clients.csv": ["numéro client,nom,secteur,statut", *clients],
        "contrats.csv": ["numéro contrat,numéro client,date début,date fin,montant annuel,renouvellement automatique", *deals],
        "utilisation.csv": ["date,numéro client,utilisateur,nombre", *events],
        "tickets.csv": ["numéro ticket,numéro client,ouvert le,fermé le", *tickets],
    }
    for name, lines in files.items():
        (folder / name).write_bytes(BOM + "\r\n".join(lines).encode() + b"\r\n")
    return folder


def test_a_folder_as_it_comes_is_read_checked_and_scored(exports, tmp_path, capsys):
    workspace, out = tmp_path / "w", tmp_path / "reports"
    assert cli.main(["init", str(workspace), "--exports", str(exports)]) == 0
    drafted = capsys.readouterr().out
    assert "clients.csv: statut: 'résilié' in 100% of the rows of lost customers" in drafted
    assert "tickets.csv: joins 40 of 40 account ids; 3 rows name no known account" in drafted

    assert cli.main(["check", str(workspace), "--out", str(out)]) != 0
    stopped = capsys.readouterr()
    assert "tickets: 3 of 43 rows (7.0%)" in stopped.err
    assert "raise max_rejected" in stopped.err
    with (workspace / "workspace.yaml").open("a", encoding="utf-8") as file:
        file.write("max_rejected: 0.1\n")

    assert cli.main(["check", str(workspace), "--out", str(out)]) == 0
    named = capsys.readouterr().out
    for said in (
        "(tables.tickets.sql):42: tickets.account_id: 'X990': an account that is not in accounts",
        "(tables.contracts.sql):112: contracts.end_date: '2023-06-19 00:00:00': ends on or before the day it starts",
        "1 contracts repeat another one in every column (first: account K000)",
    ):
        assert said in named
    [summary] = out.rglob("summary.json")
    told = {row["table"]: [row["rows_in"], row["rows_used"]] for row in json.loads(summary.read_text())["tables"]}
    assert told == {"accounts": [40, 40], "contracts": [112, 111], "usage": [1440, 1440], "tickets": [43, 40]}

    assert cli.main(["score", str(workspace), "--out", str(out)]) == 0
    scores = pd.read_csv(summary.parent / "scores.csv")
    assert scores["account_id"].nunique() == len(scores) > 20
    assert scores["arr"].between(1200.5, 1239.5).all(), "€ 1,234.50 is money"
