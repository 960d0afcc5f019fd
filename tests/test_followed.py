"""The executive report's lower half: every figure by hand on companies of four to eight rows, the same on every page, and as of its day."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from healthlib import artifacts, page_followed, plots_followed, report, store
from healthlib import claims_followed as say
from healthlib.config_workspace import WorkSpec
from healthlib.demo import make_demo
from healthlib.interventions import CONTROL, TREATMENT
from healthlib.spec import load_workspace
from healthlib.studies import loads, power, red_list, today, worked
from healthlib.studies.accounts import account_study
from healthlib.studies.audit import audit_study
from healthlib.studies.book import Book, book_of
from healthlib.studies.diary import Diary
from healthlib.studies.followed import FollowedFacts, completed, followed_study, recent_watermelons, scored_rows
from healthlib.studies.growth import GrowthFacts, growth_study
from healthlib.studies.owners import COLUMNS as OWNERS
from healthlib.studies.summary import with_followed
from healthlib.studies.treatment import TreatmentFacts, treatment_study
from healthlib.tables import load_tables
from tests import small_company
from tests.test_asof import cut

THEN, NOW = pd.Timestamp("2026-07-31"), pd.Timestamp("2026-10-31")


def snapshot(day: pd.Timestamp, rows: list[tuple[str, float, str, str]]) -> pd.DataFrame:
    """account, arr, band, end of term ("" for none) as a scored snapshot by account_id."""
    frame = pd.DataFrame(rows, columns=["account_id", "arr", "band", "term_ends"]).astype({"arr": "float64"})
    frame = frame.assign(term_ends=pd.to_datetime(frame["term_ends"].replace("", None)).astype("datetime64[s]"), as_of=day, score=50.0)
    return frame.set_index("account_id", drop=False).rename_axis(None)


def gone(*rows: tuple[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["account_id", "ended_on"])
    return frame.assign(ended_on=pd.to_datetime(frame["ended_on"]).astype("datetime64[s]"), arr=1.0, reason="price")


def eight() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Red: a left, b pays less, c renewed, d recovered mid-term, e has a term over and not signed, f left and came back; g, h not red."""
    then = snapshot(THEN, [
        ("a", 100, "red", "2026-09-01"), ("b", 200, "red", "2026-09-01"), ("c", 300, "red", "2026-10-01"), ("d", 400, "red", "2027-05-01"),
        ("e", 500, "red", "2026-10-20"), ("f", 600, "red", "2026-08-10"), ("g", 700, "green", "2026-08-15"), ("h", 800, "yellow", ""),
    ])  # fmt: skip
    now = snapshot(NOW, [
        ("b", 150, "red", "2027-09-01"), ("c", 330, "yellow", "2027-10-01"), ("d", 400, "green", "2027-05-01"),
        ("f", 60, "red", "2027-10-10"), ("g", 700, "red", "2027-08-15"), ("h", 800, "yellow", ""), ("new", 999, "red", ""),
    ])  # fmt: skip
    return then, now, gone(("a", "2026-09-01"), ("f", "2026-08-10"), ("b", "2025-01-01"))


def test_each_of_eight_accounts_has_the_fate_it_had() -> None:
    then, now, left = eight()
    found = red_list.follow(then, red_list.Later(now, left), "red")
    fates = {"a": "churned", "b": "contracted", "c": "renewed", "d": "open", "e": "late", "f": "churned", "g": "renewed", "h": "open"}
    assert found["fate"].to_dict() == fates
    said = red_list.follow(then, red_list.Later(now, left, ("e", "c")), "red")
    assert said["fate"].to_dict() == fates | {"e": "completed"}
    assert found.index[found["recovered"]].tolist() == ["c", "d", "h"]
    assert found["arr_now"].to_dict() == {"a": 0, "b": 150, "c": 330, "d": 400, "e": 0, "f": 60, "g": 700, "h": 800}
    assert found.loc[["a", "c"], "on"].tolist() == [pd.Timestamp("2026-09-01"), pd.Timestamp("2026-10-01")]


def test_the_red_list_adds_up_in_accounts_and_arr() -> None:
    then, now, left = eight()
    found = red_list.red_list(then, red_list.Later(now, left), "red", replicates=50)
    assert found.accounts["account_id"].tolist() == ["f", "e", "d", "c", "b", "a"]
    red = found.fates[found.fates["list"] == "red"].set_index("fate")
    assert red["accounts"].to_dict() == {"churned": 2, "contracted": 1, "renewed": 1, "completed": 0, "late": 1, "open": 1, "recovered": 2}
    assert red.loc[["churned", "contracted", "renewed", "late", "open", "recovered"], "arr"].tolist() == [700, 200, 300, 500, 400, 700]
    parts = red.drop(index="recovered")
    assert (parts["accounts"].sum(), parts["arr"].sum()) == (6, 2100) == (red["of"].iloc[0], red["arr_of"].iloc[0])
    assert red.at["churned", "rate"] == pytest.approx(2 / 6)
    assert red.at["churned", "arr_rate"] == pytest.approx(700 / 2100)
    assert red.at["churned", "low"] < 2 / 6 < red.at["churned", "high"]
    others = found.fates[found.fates["list"] == "others"].set_index("fate")
    assert (others.at["churned", "accounts"], others.at["churned", "high"] > 0.3) == (0, True)
    assert found.since == THEN
    places = found.places.set_index(["list", "place"])["accounts"].to_dict()
    assert places == {
        ("red", "green"): 1, ("red", "late"): 1, ("red", "left"): 2, ("red", "red"): 1, ("red", "yellow"): 1, ("others", "red"): 1,
        ("others", "yellow"): 1,
    }  # fmt: skip


def test_without_an_earlier_quarter_there_is_no_red_list() -> None:
    then, now, left = eight()
    assert red_list.red_list(then.head(0), red_list.Later(now, left), "red").since is None
    none = red_list.red_list(then.assign(band="green"), red_list.Later(now, left), "red", replicates=10)
    assert (none.since, len(none.accounts)) == (THEN, 0)


def use(values: dict[str, tuple[str, float]]) -> pd.DataFrame:
    frame = pd.DataFrame([(a, s, v) for a, (s, v) in values.items()], columns=["account_id", "segment", "seats_used"])
    return frame.assign(arr=10.0, band="green", name=None, csm=None)


def test_the_first_tenth_is_of_the_own_segment_and_never_more_than_a_tenth() -> None:
    """SMB 20 accounts: the two best; Ent 10: the one best, though it uses less than all of SMB; Mid 3: too few for a tenth."""
    values = {f"s{i:02d}": ("SMB", 10.0 + i) for i in range(20)} | {f"e{i}": ("Ent", float(i)) for i in range(10)}
    values |= {f"m{i}": ("Mid", 99.0) for i in range(3)}
    card = small_company.scorecard()
    assert power.power_metrics(card) == ["seats_used"]  # tickets are of the group too, and fewer are better
    found = power.power_users(use(values), card)
    assert sorted(found["account_id"]) == ["e9", "s18", "s19"]
    assert found.set_index("account_id").at["e9", "values"] == "Active seats 9"
    tied = power.power_users(use(values | {"s17": ("SMB", 29.0), "s18": ("SMB", 29.0)}), card)
    assert sorted(tied["account_id"]) == ["e9"]  # three share the first place of SMB, and two would fit
    unknown = power.power_users(use({name: (s, np.nan) for name, (s, _) in values.items()}), card)
    assert unknown.empty


def done(rows: list[tuple[str, str, str, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["account_id", "started_at", "playbook", "arm"])
    frame = frame.assign(started_at=pd.to_datetime(frame["started_at"]).astype("datetime64[s]"), trigger="", experiment="", outcome="")
    return frame.sort_values("started_at", ignore_index=True)


def company(work: pd.DataFrame, ends: dict[tuple[str, str], str]) -> Book:
    """Six red accounts on 31 Mar 2026 with terms to the end of June, July or December; `left` left; interventions as given."""
    book = small_company.book(40)
    months = [pd.Timestamp("2026-03-31"), NOW]
    terms = {
        "kept": "2026-06-30",
        "lost": "2026-06-30",
        "ahead": "2026-12-31",
        "grace": "2026-10-15",
        "alone": "2026-07-31",
        "well": "2026-06-30",
    }
    rows = [
        (name, day, 100.0 * (i + 1), pd.Timestamp(end) + pd.DateOffset(years=int(day == NOW and name in ("kept", "well", "alone"))),
         1.0 if name == "well" else 0.0)
        for day in months for i, (name, end) in enumerate(terms.items()) if (name, day) != ("lost", NOW)
    ]  # fmt: skip
    history = pd.DataFrame(rows, columns=["account_id", "as_of", "arr", "term_ends", "seats_used"])
    history = history.astype({"as_of": "datetime64[s]", "term_ends": "datetime64[s]"}).assign(
        seats=10.0,
        age_days=800.0,
        name=history["account_id"],
        segment="SMB",
        csm="Ann",
        tickets=0.0,
        contact=np.where(history["seats_used"] > 0, 0.0, 200.0),
    )
    plays = work.rename(columns={"started_at": "starts"})[["account_id", "starts", "playbook"]]
    keys = zip(plays["account_id"], plays["starts"].dt.strftime("%Y-%m-%d"), strict=True)
    plays = plays.assign(ends=pd.to_datetime([ends.get(key) for key in keys]).astype("datetime64[s]"))
    cases = history[history["as_of"] < NOW].assign(horizon_ends_on=lambda rows: rows["term_ends"] + pd.Timedelta(days=30))
    cases["lost"] = (cases["account_id"] == "lost").astype(float).where(cases["horizon_ends_on"] <= NOW)
    return replace(
        book, history=history, cases=cases.reset_index(drop=True), churned=gone(("lost", "2026-06-30")), interventions=work,
        diary=Diary(plays=plays),
    )  # fmt: skip


WORK = done([
    ("kept", "2026-04-10", "call", TREATMENT), ("lost", "2026-04-11", "call", TREATMENT), ("ahead", "2026-04-12", "plan", TREATMENT),
    ("grace", "2026-04-13", "plan", TREATMENT), ("alone", "2026-04-14", "call", CONTROL), ("well", "2026-04-15", "", TREATMENT),
])  # fmt: skip


def test_saves_by_hand() -> None:
    """Red and worked: kept renewed, lost left, ahead and grace wait; a control was not worked; who was green is no save."""
    book = company(WORK, {("kept", "2026-04-10"): "2026-05-01", ("ahead", "2026-04-12"): "2026-05-05"})
    found = worked.worked(book, scored_rows(book).rows, replicates=50)
    assert found.saves["account_id"].tolist() == ["kept"]
    row = found.saves.iloc[0]
    assert (row["decided_on"], row["playbook"], row["red_on"]) == (pd.Timestamp("2026-06-30"), "call", pd.Timestamp("2026-03-31"))
    assert (found.saved.value, found.saved.n, found.saved.events) == (0.5, 2, 1)
    assert found.arr_saved.value == pytest.approx(100 / 300)
    assert (found.waiting, found.arr_waiting) == (2, 700.0)
    assert (found.alone.value, found.alone.n) == (1.0, 1)  # the control: red, not worked, renewed


def test_playbooks_by_hand() -> None:
    book = company(WORK, {("kept", "2026-04-10"): "2026-05-01", ("ahead", "2026-04-12"): "2026-05-05"})
    table = worked.worked(book, scored_rows(book).rows, replicates=50).playbooks.set_index("playbook")
    assert table["started"].to_dict() == {"call": 2, "plan": 2, worked.UNNAMED: 1, "all": 5}
    assert table["worst"].to_dict() == {"call": 2, "plan": 2, worked.UNNAMED: 0, "all": 4}
    assert table["running"].to_dict() == {"call": 0, "plan": 1, worked.UNNAMED: 1, "all": 2}  # lost runs on, and is no customer
    assert table["arr_running"].to_dict() == {"call": 0, "plan": 400, worked.UNNAMED: 600, "all": 1000}
    assert table["decided"].to_dict() == {"call": 2, "plan": 0, worked.UNNAMED: 1, "all": 3}
    assert table["kept"].to_dict() == {"call": 1, "plan": 0, worked.UNNAMED: 1, "all": 2}


def test_which_work_runs_is_not_known_where_no_end_is() -> None:
    book = company(WORK, {})
    found = worked.worked(book, scored_rows(book).rows, replicates=10)
    assert not found.ends_known
    assert found.playbooks["running"].isna().all()
    assert len(found.running) == 0
    assert not worked.worked(replace(book, interventions=WORK.head(0)), scored_rows(book).rows).recorded


def test_without_terms_the_horizon_decides() -> None:
    """90 days and no grace: kept after 9 Jul, lost by 30 Jun; what began within 90 days of the book's day waits."""
    book = company(WORK, {})
    kind = book.workspace.outcome.model_copy(update={"kind": "churn_within", "horizon_days": 90, "grace_days": 0})
    book = replace(book, workspace=book.workspace.model_copy(update={"outcome": kind}))
    found = worked.started(book, scored_rows(book).rows).set_index("account_id")
    assert found["outcome"].to_dict() == {"kept": "kept", "lost": "lost", "ahead": "kept", "grace": "kept", "well": "kept"}
    assert found.at["kept", "decided_on"] == pd.Timestamp("2026-07-09")


def test_loads_sum_to_the_base_and_nobody_comes_last() -> None:
    rows = snapshot(
        NOW, [("a", 1, "red", "2026-12-01"), ("b", 2, "green", "2027-06-01"), ("c", 4, "red", ""), ("d", 8, "red", "2026-11-15")]
    )
    rows = rows.assign(csm=["Ann", "Ann", "Bob", None])
    owners = pd.DataFrame({"csm": ["Ann"], "verdict": ["cannot tell"]}).reindex(columns=list(OWNERS))
    table = loads.loads(rows, "red", pd.Series(["a", "d"]), 0.5, owners)
    assert table["csm"].tolist() == ["Bob", "Ann", loads.NOBODY]
    figures = table[["accounts", "arr", "accounts_worst", "arr_worst", "accounts_due", "arr_due", "running"]].sum().tolist()
    assert figures == [4, 15, 3, 13, 2, 9, 2]
    assert table.set_index("csm")["load"].fillna(-1).to_dict() == {"Bob": 2, "Ann": 2, loads.NOBODY: -1}
    assert table["verdict"].tolist() == ["", "cannot tell", ""]
    assert loads.loads(rows, "red", None, np.nan, owners)["running"].isna().all()
    assert loads.loads(rows.assign(csm=None), "red", None, np.nan, owners).empty


def test_watermelons_are_the_audits_of_two_quarters() -> None:
    columns = ["account_id", "name", "segment", "as_of", "term_ends", "score", "band", "arr", "reason", "weakest"]
    days = [
        ("a", "2026-05-01", "2026-08-01"),
        ("b", "2025-05-01", "2025-08-01"),
        ("c", "2026-04-30", "2026-07-30"),
        ("a", "2025-05-01", "2025-08-01"),
    ]
    listed = pd.DataFrame(
        [(a, a, "SMB", pd.Timestamp(on), pd.Timestamp(end), 80.0, "green", 1.0, None, "x") for a, on, end in days], columns=columns
    )
    found = recent_watermelons(listed, gone(("a", "2026-08-01"), ("b", "2025-08-01")), NOW)
    assert found[["account_id", "left_on"]].to_numpy().tolist() == [["a", pd.Timestamp("2026-08-01")], ["c", pd.Timestamp("2026-07-30")]]
    assert recent_watermelons(listed.head(0), gone(), NOW).empty


Made = tuple[Book, FollowedFacts, GrowthFacts, TreatmentFacts]


def made(book: Book) -> Made:
    audit, growth = audit_study(book, replicates=20), growth_study(book, replicates=20)
    facts = followed_study(book, audit, growth, account_study(book, audit), replicates=20)
    return book, facts, growth, treatment_study(book, replicates=20)


@pytest.fixture(scope="module")
def whole() -> Made:
    """The small company, with hostile names, and an intervention on every second account that was red a year ago."""
    book = small_company.book(120)
    rows = today.score_history(book.scorecard, book.history).rows
    red = rows[(rows["band"] == "red") & (rows["as_of"] == pd.Timestamp("2026-01-31"))]["account_id"].tolist()
    work = done([(name, "2026-02-10", "<i>call</i>", TREATMENT) for name in red[::2]])
    plays = work.rename(columns={"started_at": "starts"})[["account_id", "starts", "playbook"]]
    plays = plays.assign(ends=pd.to_datetime(["2026-03-01"] + [None] * (len(plays) - 1)).astype("datetime64[s]"))
    return made(replace(book, interventions=work, diary=Diary(plays=plays)))


def sections(facts: FollowedFacts, growth: GrowthFacts, treatment: TreatmentFacts) -> dict[str, str]:
    pieces = {
        "growing": page_followed.growing(facts, growth), "hidden": page_followed.hidden(facts), "red": page_followed.red_list(facts),
        "saves": page_followed.saves(facts), "worked": page_followed.worked(facts, treatment), "loads": page_followed.loads(facts),
    }  # fmt: skip
    return {name: piece.html for name, piece in pieces.items()}


def test_work_that_saved_nobody_is_a_sentence(whole: Made) -> None:
    """Work is recorded, yet nobody was saved: the list is empty, and its days are then still days."""
    _, facts, *_ = whole
    none = replace(facts, worked=replace(facts.worked, saves=facts.worked.saves.iloc[:0]))
    html = page_followed.saves(none).html
    assert 'class="claim"' in html
    assert "<table" not in html


def test_one_figure_has_one_value_on_every_page(whole: Made) -> None:
    """The red list of 31 Jul is the trend's bar of that day; loads sum to the bands of today; zombies are the audit's."""
    book, facts, *_ = whole
    shown = today.score_history(book.scorecard, book.history, book.overrides)
    bands = today.band_names(book.scorecard)
    trend = today.band_trend(shown, bands).set_index(["as_of", "band"])
    assert facts.red.since is not None
    assert (len(facts.red.accounts), facts.red.accounts["arr_then"].sum()) == (
        trend.at[(facts.red.since, "red"), "accounts"], pytest.approx(trend.at[(facts.red.since, "red"), "arr"]),
    )  # fmt: skip
    now = today.bands_on(shown, bands, {"": book.as_of}).set_index("band")
    assert facts.loads["accounts_worst"].sum() == now.at["red", "accounts"]
    assert facts.loads["arr_worst"].sum() == pytest.approx(now.at["red", "arr"])
    assert (facts.accounts, facts.loads["arr"].sum()) == (now["accounts"].sum(), pytest.approx(now["arr"].sum()))


def test_the_page_says_what_summary_and_files_say(whole: Made, tmp_path: Path) -> None:
    _, facts, growth, treatment = whole
    artifacts.write_json(with_followed({}, facts, growth), tmp_path / "summary.json")
    artifacts.write_tables({"followed": facts}, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    red, saves, load = (pd.read_csv(tmp_path / name) for name in ("red_list.csv", "saves.csv", "csm_load.csv"))
    fates = {row["fate"]: row for row in summary["red_list"]["fates"] if row["list"] == "red"}
    for fate, part in red.groupby("fate"):
        assert (fates[fate]["accounts"], fates[fate]["arr"]) == (len(part), pytest.approx(part["arr_then"].sum()))
    assert (summary["saves"]["accounts"], summary["saves"]["arr"]) == (len(saves), pytest.approx(saves["arr_then"].sum()))
    assert [row["csm"] for row in summary["csm_load"]] == load["csm"].tolist()
    html = sections(facts, growth, treatment)
    assert f'<data value="{report.machine(fates["churned"]["accounts"])}">' in html["red"]
    for row in load.to_dict("records"):
        assert f'<data value="{report.machine(row["arr_worst"])}">' in html["loads"]
    assert (tmp_path / "power_users.csv").read_text().count("\n") == 1 + len(facts.power)
    assert (tmp_path / "playbooks.csv").is_file()
    assert "'=cmd()" in (tmp_path / "red_list.csv").read_text() + (tmp_path / "power_users.csv").read_text() or "=cmd()" not in "".join(
        red["name"]
    )


def test_hostile_names_are_inert_and_sections_small(whole: Made) -> None:
    _, facts, growth, treatment = whole
    html = sections(facts, growth, treatment)
    assert "<script>alert" not in "".join(html.values())
    assert "<i>call</i>" not in html["worked"]
    assert "&lt;i&gt;call&lt;/i&gt;" in html["worked"]
    assert sum(map(len, html.values())) < 60_000
    assert "nan" not in "".join(html.values()).lower().replace("finance", "")
    assert "accura" not in "".join(html.values()).lower()


def test_a_person_is_named_for_losses_only_by_the_audits_test(whole: Made) -> None:
    _, facts, *_ = whole
    table = facts.loads.assign(verdict=["more than expected", *["cannot tell"] * (len(facts.loads) - 1)])
    assert "lost more than expected" in say.loads(replace(facts, loads=table))
    assert "nobody’s losses surely differ" in say.loads(replace(facts, loads=table.assign(verdict="cannot tell")))
    assert "too few renewals" in say.loads(replace(facts, loads=table.assign(verdict="")))


def test_capacity_is_compared_only_where_the_workspace_says_it(whole: Made) -> None:
    book, facts, *_ = whole
    assert np.isnan(facts.capacity)
    assert "is not said" in say.loads(facts)
    said = replace(book, workspace=book.workspace.model_copy(update={"work": WorkSpec(accounts_per_csm=1)}))
    rows = scored_rows(said).on(said.as_of)
    table = loads.loads(rows, "red", None, 1.0, pd.DataFrame(columns=list(OWNERS)))
    assert "more than the 1 red account a CSM can have in work" in say.loads(replace(facts, loads=table, capacity=1.0))


@pytest.mark.parametrize(("case", "sentence"), [
    ("no history", "history does not reach back a quarter"), ("no interventions", "it takes a table `interventions`"),
    ("no csm", "Who looks after which account is not in the exports"), ("nothing measured", "cannot"),
])  # fmt: skip
def test_every_section_degrades_with_a_sentence(case: str, sentence: str, tmp_path: Path) -> None:
    book = small_company.book(12)
    last = book.history["as_of"] == book.as_of
    changes: dict[str, dict[str, Any]] = {
        "no history": {"history": book.history[last].reset_index(drop=True), "cases": book.cases.iloc[:0], "leads": book.leads.iloc[:0]},
        "no interventions": {},
        "no csm": {"history": book.history.drop(columns=["csm", "name", "segment"])},
        "nothing measured": {"history": book.history.assign(seats_used=np.nan, tickets=np.nan, contact=np.nan)},
    }
    _, facts, growth, treatment = made(replace(book, **changes[case]))
    facts = store.load(store.save(facts, tmp_path / "facts"))
    html = sections(facts, growth, treatment)
    assert sentence in "".join(html.values())
    assert ">nan" not in "".join(html.values()).lower()
    assert all("claim" in part for part in html.values())
    artifacts.write_tables({"followed": facts}, tmp_path)
    artifacts.write_json(with_followed({}, facts, growth), tmp_path / "summary.json")
    assert report.figure(plots_followed.fates(facts), alt="x").html.startswith("<figure>")


def test_cutting_every_table_changes_nothing(tmp_path: Path) -> None:
    make_demo(tmp_path, seed=3, accounts=80)
    workspace, at = load_workspace(tmp_path), pd.Timestamp("2026-03-31")
    tables, short = load_tables(workspace), load_tables(workspace)
    cut(short, workspace, f"{at:%Y-%m-%d}")
    found = []
    for book in (book_of(tables, workspace, at), book_of(short, workspace, at)):
        shown = scored_rows(book)
        now = shown.on(at)
        then = shown.on(today.earlier_days(book.history, at)["quarter"])
        work = worked.worked(book, shown.rows, replicates=10)
        red = red_list.red_list(then, red_list.Later(now, book.churned, completed(book)), "red", replicates=10)
        frames = (work.playbooks, work.saves, work.running, red.accounts, red.fates, power.power_users(now, book.scorecard))
        found.append((*frames, loads.loads(now, "red", work.running["account_id"], 12.0, pd.DataFrame(columns=list(OWNERS)))))
    assert len(found[0][0]) > 1
    assert len(found[0][3]) > 1
    for left, right in zip(*found, strict=True):
        pd.testing.assert_frame_equal(left, right)
