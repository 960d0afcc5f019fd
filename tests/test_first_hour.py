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


HEADERS = {
    "dutch": {
        "clients.csv": ("klanten.csv", "klantnummer,naam,branche,status"),
        "contrats.csv": ("contracten.csv", "contractnummer,klantnummer,begindatum,einddatum,jaarbedrag,automatische verlenging"),
        "utilisation.csv": ("gebruik.csv", "datum,klantnummer,gebruiker,aantal"),
        "tickets.csv": ("meldingen.csv", "meldingsnummer,klantnummer,geopend op,gesloten op"),
    },
    "meaningless": {
        "clients.csv": ("export_1.csv", "c1,c2,c3,c4"),
        "contrats.csv": ("export_2.csv", "c1,c2,c3,c4,c5,c6"),
        "utilisation.csv": ("export_3.csv", "c1,c2,c3,c4"),
        "tickets.csv": ("export_4.csv", "c1,c2,c3,c4"),
    },
    "japanese": {
        "clients.csv": ("顧客.csv", "顧客番号,名称,業種,状態"),
        "contrats.csv": ("契約.csv", "契約番号,顧客番号,開始日,終了日,年額,自動更新"),
        "utilisation.csv": ("利用.csv", "日付,顧客番号,利用者,回数"),
        "tickets.csv": ("問い合わせ.csv", "受付番号,顧客番号,受付日,完了日"),
    },
    "finnish": {
        "clients.csv": ("asiakkaat.csv", "asiakasnumero,nimi,toimiala,tila"),
        "contrats.csv": ("sopimukset.csv", "sopimusnumero,asiakasnumero,alkaa,päättyy,vuosihinta,jatkuu itsestään"),
        "utilisation.csv": ("käyttö.csv", "päivä,asiakasnumero,käyttäjä,määrä"),
        "tickets.csv": ("palvelupyynnöt.csv", "pyyntö,asiakasnumero,avattu,suljettu"),
    },
}


@pytest.mark.parametrize("language", list(HEADERS))
def test_headers_in_another_language_are_no_dead_end(language, exports, tmp_path, capsys):
    """The same folder under other headers: the same rows used and rejected, the same leak, and the scores of the first to the digit."""
    headed = tmp_path / language
    headed.mkdir()
    for name, (other, header) in HEADERS[language].items():
        rows = (exports / name).read_bytes().split(b"\r\n", 1)[1]
        (headed / other).write_bytes(BOM + header.encode() + b"\r\n" + rows)
    scores = [_scored(folder, tmp_path / f"w-{folder.name}", capsys) for folder in (exports, headed)]
    pd.testing.assert_frame_equal(*scores)
    text = (tmp_path / f"w-{language}" / "workspace.yaml").read_text(encoding="utf-8")
    clients, status = HEADERS[language]["clients.csv"][0], HEADERS[language]["clients.csv"][1].split(",")[3]
    assert f"NOT USED, may know the future: {status}: 'résilié' in 100% of the rows of lost customers" in text
    assert f"{clients}: " in text
    if language != "dutch":
        for said in (
            "guess by content: in 99% of the rows",
            "guess by content: 40 different ids in 40 rows",
            "each of one account: people",
        ):
            assert said in " ".join(text.replace("#", " ").split())
        assert "outcome:" in text


def _scored(exports: Path, workspace: Path, capsys: pytest.CaptureFixture[str]) -> pd.DataFrame:
    """Scores of a folder of exports, with its rows read and used looked at on the way."""
    out = workspace.with_name(f"{workspace.name}-out")
    assert cli.main(["init", str(workspace), "--exports", str(exports)]) == 0
    assert "3 rows name no known account" in capsys.readouterr().out
    with (workspace / "workspace.yaml").open("a", encoding="utf-8") as file:
        file.write("max_rejected: 0.1\n")
    assert cli.main(["check", str(workspace), "--out", str(out)]) == 0
    [summary] = out.rglob("summary.json")
    told = {row["table"]: [row["rows_in"], row["rows_used"]] for row in json.loads(summary.read_text())["tables"]}
    assert told == {"accounts": [40, 40], "contracts": [112, 111], "usage": [1440, 1440], "tickets": [43, 40]}
    assert cli.main(["score", str(workspace), "--out", str(out)]) == 0
    scores = pd.read_csv(summary.parent / "scores.csv")
    return scores[["account_id", "score", "band", "arr"]].sort_values("account_id", ignore_index=True)


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
        "1 contract repeats another one in every column (first: account K000)",
    ):
        assert said in named
    [summary] = out.rglob("summary.json")
    told = {row["table"]: [row["rows_in"], row["rows_used"]] for row in json.loads(summary.read_text())["tables"]}
    assert told == {"accounts": [40, 40], "contracts": [112, 111], "usage": [1440, 1440], "tickets": [43, 40]}

    assert cli.main(["score", str(workspace), "--out", str(out)]) == 0
    scores = pd.read_csv(summary.parent / "scores.csv")
    assert scores["account_id"].nunique() == len(scores) > 20
    assert scores["arr"].between(1200.5, 1239.5).all(), "€ 1,234.50 is money"
