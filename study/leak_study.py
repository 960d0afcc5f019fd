"""How often the leak audit accuses clean metrics, and how often it misses planted leaks of each kind.

Whole simulated companies (`healthlib.demo.make_demo` without its own planted leak) are written to disk, leaks are planted into the
exported tables with a strength and reach drawn at random, and `Book.leaks` is asked. `python study/leak_study.py` writes
study/leak_study.md; tests/test_leaks.py runs a part that can fail.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from healthlib.demo import make_demo, simulate_cases, simulated_scorecard
from healthlib.spec import load_workspace
from healthlib.stats import auc
from healthlib.studies.book import Book, open_book
from healthlib.studies.leaks import find_leaks

OWN_LEAK = "cancellation_tickets"
MATTERS = 0.10
"""A leak in a metric's values matters where it raises the metric's AUC alone by so much."""


@dataclass
class Exports:
    """The tables of one company, changed in memory and written back; metrics to be added to its scorecard."""

    folder: Path
    rng: np.random.Generator
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    metrics: list[str] = field(default_factory=list)

    def table(self, name: str) -> pd.DataFrame:
        if name not in self.tables:
            self.tables[name] = pd.read_csv(self._path(name), dtype=str, keep_default_na=False)
        return self.tables[name]

    def _path(self, name: str) -> Path:
        return next(path for path in (self.folder / f"{name}.csv", self.folder / f"{name}.csv.gz") if path.exists())

    def left(self) -> pd.DataFrame:
        """account_id, end, decided, began of each lost term."""
        terms = self.table("contracts")
        lost = terms[terms["outcome"] == "churned"]
        days = {new: pd.to_datetime(lost[old]) for new, old in (("began", "start_date"), ("end", "end_date"), ("decided", "decided_on"))}
        return lost[["account_id"]].assign(**days).reset_index(drop=True)

    def some(self, frame: pd.DataFrame, share: float) -> pd.DataFrame:
        return frame[self.rng.random(len(frame)) < share]

    def save(self) -> None:
        for name, table in self.tables.items():
            table.to_csv(self._path(name), index=False)
        card = self.folder / "scorecard.yaml"
        card.write_text(card.read_text().replace("metrics:\n", "metrics:\n" + "".join(self.metrics), 1))


def clean(folder: Path, seed: int, accounts: int, *, noise: bool = False, lead_days: int = 90) -> Path:
    """A company without any leak: the demo's own tickets about cancelling are taken out, and the metric on them."""
    make_demo(folder, seed=seed, accounts=accounts, noise=noise)
    exports = Exports(folder, np.random.default_rng(seed))
    tickets = exports.table("tickets")
    exports.tables["tickets"] = tickets[tickets["category"] != "cancellation"]
    exports.save()
    space = folder / "workspace.yaml"
    space.write_text(space.read_text().replace("lead_days: 90", f"lead_days: {lead_days}"))
    return folder


def _day(days: pd.Series) -> pd.Series:
    return days.dt.strftime("%Y-%m-%d")


def _tickets(exports: Exports, rows: pd.DataFrame, opened: pd.Series, category: str) -> None:
    tickets = exports.table("tickets")
    new = pd.DataFrame({"account_id": rows["account_id"], "opened_at": _day(opened), "category": category, "severity": "normal"})
    new["ticket_id"] = [f"{category}-{number}" for number in range(len(new))]
    exports.tables["tickets"] = pd.concat([tickets, new], ignore_index=True).fillna("")


def plant_renamed_tickets(exports: Exports) -> None:
    """Old tickets of those who gave notice were renamed: the day is honest, the category is not. 40 to 90 % of the lost."""
    rows = exports.some(exports.left(), exports.rng.uniform(0.4, 0.9))
    opened = rows["end"] - pd.to_timedelta(exports.rng.integers(91, 165, len(rows)), unit="D")
    _tickets(exports, rows[opened > rows["began"]], opened[opened > rows["began"]], "cancellation")


def plant_offboarding(exports: Exports) -> None:
    """Tickets opened between the decision and the end, honestly dated; 40 to 90 % of the lost."""
    rows = exports.some(exports.left(), exports.rng.uniform(0.4, 0.9)).dropna()
    wait = (rows["end"] - rows["decided"]).dt.days.clip(lower=1)
    _tickets(exports, rows, rows["decided"] + pd.to_timedelta((exports.rng.random(len(rows)) * wait).astype(int), unit="D"), "offboarding")
    exports.metrics.append(
        "  offboarding: {group: support, table: tickets, where: category = 'offboarding', measure: count, window_days: 365, worst: 1, "
        "best: 0, weight: 1}\n"
    )


def _year_before_end(exports: Exports, rows: pd.DataFrame, time: str, share: float) -> np.ndarray:
    """Which rows belong to the last year of (a share of) the accounts that left."""
    left = exports.some(exports.left(), share).drop_duplicates("account_id", keep="last").set_index("account_id")
    end = rows["account_id"].map(left["end"])
    when = pd.to_datetime(rows[time].str[:10], errors="coerce")
    return ((when < end) & (when >= end - pd.Timedelta(days=400))).to_numpy()


def plant_rewritten_ratings(exports: Exports) -> None:
    """After they left, 60 to 100 % of the leavers' ratings of the last year were set to 1 or 2, and nothing says when."""
    rows = exports.table("ratings").drop(columns="recorded_at").copy()
    mine = _year_before_end(exports, rows, "rated_at", exports.rng.uniform(0.6, 1))
    rows.loc[mine, "rating"] = exports.rng.choice(["1", "2"], mine.sum(), p=[0.8, 0.2])
    exports.tables["ratings"] = rows


def plant_stamped_tickets(exports: Exports) -> None:
    """Satisfaction of 40 to 100 % of the leavers set to 1 after the decision; `updated_at` tells. A tenth of all rows is edited anyway."""
    rows = exports.table("tickets").copy()
    opened = pd.to_datetime(rows["opened_at"].str[:10], errors="coerce")
    natural = np.where(exports.rng.random(len(rows)) < 0.1, exports.rng.integers(8, 60, len(rows)), exports.rng.integers(0, 5, len(rows)))
    mine = _year_before_end(exports, rows, "opened_at", exports.rng.uniform(0.4, 1))
    decided = rows["account_id"].map(exports.left().drop_duplicates("account_id", keep="last").set_index("account_id")["decided"])
    stamp = (opened + pd.to_timedelta(natural, unit="D")).mask(mine & decided.notna().to_numpy(), decided + pd.Timedelta(days=5))
    rows.loc[mine & (rows["satisfaction"] != ""), "satisfaction"] = "1"
    exports.tables["tickets"] = rows.assign(updated_at=_day(stamp).fillna(""))


def plant_copied_readings(exports: Exports) -> None:
    """All readings before a day are copies of each account's first reading after it; of 92 to 100 % of the accounts."""
    rows = exports.table("readings").copy()
    days = pd.to_datetime(rows["read_on"])
    day = days.min() + (days.max() - days.min()) * exports.rng.uniform(0.3, 0.6)
    first = rows[days >= day].sort_values("read_on").drop_duplicates("account_id").set_index("account_id")["value"]
    names = pd.Series(sorted(rows["account_id"].unique()))
    chosen = set(names[exports.rng.random(len(names)) < exports.rng.uniform(0.92, 1)])
    mine = (days < day) & rows["account_id"].isin(chosen) & rows["account_id"].isin(first.index)
    rows.loc[mine, "value"] = rows.loc[mine, "account_id"].map(first)
    exports.tables["readings"] = rows


def _purged(exports: Exports, name: str, share: float) -> None:
    gone = set(exports.some(exports.left().drop_duplicates("account_id"), share)["account_id"])
    rows = exports.table(name)
    exports.tables[name] = rows[~rows["account_id"].isin(gone)]


def plant_purged_surveys(exports: Exports) -> None:
    """The answers of 85 to 100 % of the accounts that left were deleted."""
    _purged(exports, "surveys", exports.rng.uniform(0.85, 1))


def plant_purged_contacts(exports: Exports) -> None:
    """Meetings and calls of 95 to 100 % of the accounts that left were deleted; a count then says 0, not missing."""
    _purged(exports, "touchpoints", exports.rng.uniform(0.95, 1))


def plant_oracle(exports: Exports) -> None:
    """A forecast made afterwards: AUC alone drawn from 0.93 to 0.99, a value 100 days before each end of a term."""
    terms = exports.table("contracts")
    distance = np.sqrt(2) * norm.ppf(exports.rng.uniform(0.93, 0.99))
    value = exports.rng.normal(0, 1, len(terms)) - distance * (terms["outcome"] == "churned").to_numpy()
    ends = pd.to_datetime(terms["end_date"])
    rows = pd.DataFrame({"account_id": terms["account_id"], "read_on": _day(ends - pd.Timedelta(days=100)), "metric": "oracle",
                         "value": np.round(value, 3).astype(str)})  # fmt: skip
    keep = (ends - pd.Timedelta(days=100) > pd.to_datetime(terms["start_date"])) & (ends < "2026-10-31")
    exports.tables["readings"] = pd.concat([exports.table("readings"), rows[keep]], ignore_index=True)
    exports.metrics.append(
        "  oracle: {group: roi, table: readings, measure: last value, stale_after_days: 60, worst: -3, best: 1, weight: 1}\n"
    )


def plant_going_on(exports: Exports) -> None:
    """Use goes on for 60 to 150 days after the end, for 15 to 100 % of the accounts that left."""
    rows = exports.some(exports.left(), exports.rng.uniform(0.15, 1))
    rows = rows[rows["end"] < "2026-05-01"].drop_duplicates("account_id", keep="last")
    after = rows.loc[rows.index.repeat(5)]
    days = after["end"] + pd.to_timedelta(exports.rng.integers(60, 150, len(after)), unit="D")
    more = pd.DataFrame({"account_id": after["account_id"], "occurred_at": _day(days)}).assign(user_id="u1", feature="alerts", quantity="1")
    exports.tables["usage"] = pd.concat([exports.table("usage"), more], ignore_index=True).fillna("")


def plant_status(exports: Exports) -> None:
    """Today's CRM overwrote a status: "churned" for 50 to 100 % of those that left, and for 0 to 1 % of the others; no metric reads it."""
    accounts = exports.table("accounts")
    gone = set(exports.some(exports.left().drop_duplicates("account_id"), exports.rng.uniform(0.5, 1))["account_id"])
    wrong = exports.rng.random(len(accounts)) < exports.rng.uniform(0, 0.01)
    exports.tables["accounts"] = accounts.assign(status=np.where(accounts["account_id"].isin(gone) | wrong, "churned", "active"))


def plant_owner(exports: Exports) -> None:
    """An owner emptied for 50 to 100 % of those that left, and a metric that applies where there is one."""
    accounts = exports.table("accounts")
    gone = set(exports.some(exports.left().drop_duplicates("account_id"), exports.rng.uniform(0.5, 1))["account_id"])
    owners = np.array(["Ann", "Bob", "Cem"])[exports.rng.integers(0, 3, len(accounts))]
    exports.tables["accounts"] = accounts.assign(owner=np.where(accounts["account_id"].isin(gone), "", owners))
    exports.metrics.append(
        "  owned_calls: {group: relationship, table: touchpoints, measure: count, window_days: 90, worst: 0, best: 9, weight: 1, "
        "applies_to: {owner: [Ann, Bob, Cem]}}\n"
    )


@dataclass(frozen=True)
class Plant:
    """A planted leak: what it is called, what should be accused of what, and whether its harm shows in the metric's AUC."""

    kind: str
    subject: str
    plant: Callable[[Exports], None]
    by_auc: bool = True


FIRST = (
    Plant("after_decision", OWN_LEAK, plant_renamed_tickets),
    Plant("edited", "csm_rating", plant_rewritten_ratings),
    Plant("back_filled", "provisioned_share", plant_copied_readings, by_auc=False),
    Plant("survivors_only", "nps", plant_purged_surveys, by_auc=False),
    Plant("after_leaving", "usage.*", plant_going_on, by_auc=False),
    Plant("overwritten", "accounts.status", plant_status, by_auc=False),
)
SECOND = (
    Plant("after_decision", "offboarding", plant_offboarding, by_auc=False),
    Plant("edited", "ticket_satisfaction", plant_stamped_tickets),
    Plant("survivors_only", "meetings", plant_purged_contacts, by_auc=False),
    Plant("too_good", "oracle", plant_oracle),
    Plant("overwritten", "owned_calls", plant_owner, by_auc=False),
)


def opened(folder: Path) -> Book:
    return open_book(load_workspace(folder))


def alone(book: Book, metric: str) -> float:
    """AUC of one metric, whichever way it points."""
    if metric not in book.cases:
        return 0.5
    known = book.cases.dropna(subset=["lost", metric])
    point = auc(known[metric], known["lost"]) if len(known) else 0.5
    return max(point, 1 - point)


def false_alarms(seed: int, accounts: int, **kind: bool | int) -> dict[str, float]:
    """Clean metrics accused, of how many, and what else was."""
    with tempfile.TemporaryDirectory() as folder:
        book = opened(clean(Path(folder), seed, accounts, **kind))
    found = book.leaks.found
    metrics = [name for name in book.scorecard.metrics if name != OWN_LEAK]
    accused = found[(found["of"] == "metric") & found["metric"].isin(metrics)]
    others = found[~found["of"].isin(["metric"])]
    lost = float(book.cases["lost"].sum())
    said = "; ".join(f"{row.metric}: {row.kind}" for row in found.itertuples() if row.metric != OWN_LEAK)
    return {"lost": lost, "metrics": len(metrics), "accused": accused["metric"].nunique(), "others": len(others), "said": said}


def false_alarms_of_cases(seeds: Sequence[int], accounts: int) -> tuple[int, int]:
    """Clean metrics accused by the cases alone, and how many there were."""
    accused = metrics = 0
    for seed in seeds:
        cases, truth = simulate_cases(accounts, 3, seed=seed, missing_share=0.1)
        found = find_leaks(cases, simulated_scorecard(dict.fromkeys(truth.weights, 1.0)), seed=seed)
        accused, metrics = accused + found["metric"].nunique(), metrics + len(truth.weights)
    return accused, metrics


def misses(seed: int, accounts: int, plants: Sequence[Plant]) -> list[dict]:
    """A row a planted leak: found at all, found as what it is, and by how much it raises the metric's AUC."""
    with tempfile.TemporaryDirectory() as folder:
        before = opened(clean(Path(folder), seed, accounts))
        exports = Exports(Path(folder), np.random.default_rng([seed, accounts, 5]))
        for plant in plants:
            plant.plant(exports)
        exports.save()
        after = opened(Path(folder))
    found = set(zip(after.leaks.found["metric"], after.leaks.found["kind"], strict=True))
    rows = []
    for plant in plants:
        raised = alone(after, plant.subject) - (alone(before, plant.subject) if plant.subject in before.cases else 0.5)
        name = re.sub(r"^plant_", "", plant.plant.__name__).replace("_", " ")
        rows.append({
            "kind": plant.kind, "plant": name, "seed": seed, "accounts": accounts, "raised": raised,
            "matters": raised >= MATTERS if plant.by_auc else True, "found": any(metric == plant.subject for metric, _ in found),
            "as such": (plant.subject, plant.kind) in found,
        })  # fmt: skip
    return rows


def page(seeds: int, planted: int) -> str:
    """The study as a Markdown page."""
    began = time.process_time()
    lines = [
        "# Leak study", "",
        f"Made on {date.today()} by `python study/leak_study.py --seeds {seeds} --planted {planted}`; seeds 100 to {99 + seeds} (clean), "
        f"0 to {planted - 1} (planted), 0 to 199 (cases alone).", "",
        "## Clean metrics accused", "",
        "Whole companies without a leak, signal or pure noise; `healthlib.demo`. Aim: at most 5 % of clean metrics.", "",
        "| company | lost cases | metrics | accused | share | attributes, tables, cases accused |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    said: list[str] = []
    for accounts, kind in ((100, {}), (200, {}), (300, {}), (600, {}), (200, {"noise": True}), (300, {"lead_days": 30})):
        found = pd.DataFrame([false_alarms(100 + seed, accounts, **kind) for seed in range(seeds)])
        more = [f", {key.replace('_', ' ')} {value if value is not True else ''}".rstrip() for key, value in kind.items()]
        name = f"{accounts} accounts" + "".join(more)
        share = found["accused"].sum() / found["metrics"].sum()
        lines.append(
            f"| {name} | {found['lost'].mean():.0f} | {found['metrics'].sum()} | {found['accused'].sum()} | {100 * share:.1f} % | "
            f"{found['others'].sum()} |"
        )
        said += [text for text in found["said"] if text]
        print(lines[-1], flush=True)
    for accounts in (60, 120, 300):
        accused, metrics = false_alarms_of_cases(range(200), accounts)
        share = f"{100 * accused / metrics:.1f} %"
        lines.append(f"| {accounts} accounts, cases alone | {0.3 * accounts:.0f} | {metrics} | {accused} | {share} | – |")
        print(lines[-1], flush=True)
    if said:
        times = pd.Series("; ".join(said).split("; ")).value_counts()
        lines += ["", "Accused: " + "; ".join(f"{text} ({n})" for text, n in times.items()) + "."]
    runs = [(seed, accounts, some) for seed in range(planted) for accounts in (150, 300, 600) for some in (FIRST, SECOND)]
    rows = [row for run in runs for row in misses(*run)]
    return "\n".join([*lines, *_missed(pd.DataFrame(rows)), "", f"{time.process_time() - began:.0f} CPU seconds.", ""])


def _missed(rows: pd.DataFrame) -> list[str]:
    lines = [
        "", "## Planted leaks missed", "",
        "Strength and reach drawn anew for each (see the functions `plant_…`). A leak in a metric's values matters where it raises its "
        f"AUC alone by {MATTERS:g} or more; rows that give the outcome away, purged, copied or going on always do. "
        "Aim: at most 10 % missed.",
        "", "| kind | planted | accounts | companies | matters | missed of these | found as such | AUC raised by |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for (kind, plant, accounts), part in rows.groupby(["kind", "plant", "accounts"], sort=False):
        some = part[part["matters"]]
        cells = f"{100 * (1 - some['found'].mean()):.0f} % | {100 * some['as such'].mean():.0f} %" if len(some) else "– | –"
        lines.append(f"| {kind} | {plant} | {accounts} | {len(part)} | {len(some)} | {cells} | {part['raised'].mean():+.2f} |")
    lines += ["", "| kind | matters | missed |", "| --- | ---: | ---: |"]
    for kind, part in rows[rows["matters"]].groupby("kind", sort=False):
        lines.append(f"| {kind} | {len(part)} | {100 * (1 - part['found'].mean()):.0f} % |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--planted", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    args = parser.parse_args()
    args.out.write_text(page(args.seeds, args.planted), encoding="utf-8")
