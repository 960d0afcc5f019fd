"""The sections of the executive report's lower half: facts in, pieces of a page out; the long lists are in CSV files beside the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from healthlib import claims_followed as say
from healthlib import claims_treatment, report, wording
from healthlib import plots_followed as plots
from healthlib.book_files import book_file
from healthlib.page_audit import interval, unbroken
from healthlib.page_cells import as_is
from healthlib.pieces import Columns, Piece
from healthlib.studies.red_list import CHURNED, RECOVERED
from healthlib.studies.worked import MONTHS

if TYPE_CHECKING:
    from healthlib.studies.followed import FollowedFacts
    from healthlib.studies.growth import GrowthFacts
    from healthlib.studies.treatment import TreatmentFacts

SHOWN = 6
"""Accounts a list names on the page, the largest ARR first."""
CSMS = 15
"""CSMs a page lists."""
NAMED = 3
"""Accounts named in a cell."""


def growing(facts: FollowedFacts, growth: GrowthFacts) -> Piece:
    """Who is ready for more, who would speak for us, who uses the product most."""
    ready, willing = facts.ready, growth.advocates.today.sort_values("arr", ascending=False, kind="stable")
    chance: Columns = {"said": ("Chance of growing", interval), "expected_arr": ("New ARR to expect", _money(facts))}
    chance |= {"because": ("What speaks for it", "text"), "term_ends": ("Term ends", "date")}
    said = [wording.share_range(*row) for row in ready[["chance", "low", "high"]].to_numpy(float)]
    one = _list(ready.assign(said=said), chance, facts, ("Ready for more, most new ARR first", "growth.csv"))
    two = _list(willing, {"because": ("Why", "text")}, facts, ("Would speak for us", "growth.csv"))
    spot: Columns = {"values": ("Use", "text"), "band": ("Band", report.bands(facts.band_colours))}
    three = _list(facts.power, spot, facts, ("Power users: the first tenth of their segment by use", "power_users.csv"))
    return report.show(
        report.claim(say.ready(facts, growth)), one,
        _beside((report.claim(say.advocates(facts, growth)), two), (report.claim(say.power(facts)), three)),
    )  # fmt: skip


def hidden(facts: FollowedFacts) -> Piece:
    """Who pays and hardly uses the product, and who looked well and left."""
    chip = report.bands(facts.band_colours)
    quiet: Columns = {"use_points": ("Use, 0–100", "points"), "term_ends": ("Term ends", "date"), "band": ("Band", chip)}
    ended = "Term ended" if facts.kind == "expansion" else "Left on"
    left: Columns = {
        "score": ("Score then", "points"), "left_on": (ended, "date"), "weakest": ("Weakest then", "text"),
        "reason": ("Stated reason", "text"),
    }  # fmt: skip
    one = _list(facts.zombies, quiet, facts, ("Paying, hardly using", "named_accounts.csv"))
    two = _list(facts.watermelons, left, facts, (f"{facts.bands[-2].capitalize()}, then left, last two quarters", "named_accounts.csv"))
    return _beside((report.claim(say.zombies(facts)), one), (report.claim(say.watermelons(facts)), two))


def _beside(*parts: tuple[Piece, Piece]) -> Piece:
    """Sentences with their lists side by side; one below the other where a list is empty."""
    pieces = [claim + listing for claim, listing in parts]
    return report.columns(*pieces) if all(listing.html for _, listing in parts) else report.show(*pieces)


def red_list(facts: FollowedFacts) -> Piece:
    """What became of the red list of a quarter ago, beside all others."""
    claim = report.claim(say.red(facts))
    if facts.red.accounts.empty:
        return claim
    return report.show(claim, report.figure(plots.fates(facts), alt=say.red(facts)), _fates(facts))


def _fates(facts: FollowedFacts) -> Piece:
    """Fate by fate: accounts, ARR then and now, all others beside it, and the largest by name."""
    table = facts.red.fates
    red = table[(table["list"] == "red") & ((table["accounts"] > 0) | (table["fate"] == CHURNED))]
    others = table[table["list"] == "others"].set_index("fate")
    rows = red.assign(
        what=[say.fate_name(facts, fate) for fate in red["fate"]],
        said=[wording.share_range(*row) for row in red[["rate", "low", "high"]].to_numpy(float)],
        base=[_of_others(others, fate) for fate in red["fate"]],
        who=pd.Series([_largest(facts, fate) for fate in red["fate"]], index=red.index, dtype="object"),
    )
    shown: Columns = {
        "what": ("Since then", "text"), "accounts": ("Accounts", "count"), "said": ("Share", interval), "base": ("Of all others", interval),
        "arr": ("ARR then", _money(facts)), "arr_now": ("ARR now", _money(facts)), "who": ("Largest", as_is),
    }  # fmt: skip
    caption = f"The {facts.bands[0]} list of {wording.day(facts.red.since)}; recovered ones are counted above too; all in red_list.csv"
    return report.table(rows, shown, caption=caption, n=len(facts.red.accounts), layout="cards")


def _of_others(others: pd.DataFrame, fate: str) -> str:
    """The share of all others with this fate; recovering is for the red list alone."""
    if fate == RECOVERED or fate not in others.index:
        return wording.NOTHING
    return wording.share_range(*others[["rate", "low", "high"]].astype(float).to_dict("index")[fate].values())


def _largest(facts: FollowedFacts, fate: str) -> Piece:
    """The largest accounts of a fate, linked."""
    frame = facts.red.accounts
    rows = frame[frame["recovered"].astype(bool) if fate == RECOVERED else frame["fate"] == fate].head(NAMED)
    return Piece(
        ", ".join(_link(facts, *row).html for row in rows[["account_id", "name"]].itertuples(index=False, name=None)) or wording.NOTHING
    )


def saves(facts: FollowedFacts) -> Piece:
    """Who was red and worked, and then renewed."""
    frame, chip = facts.worked.saves, report.bands(facts.band_colours)
    claim = report.claim(say.saves(facts))
    if not facts.worked.recorded:
        return claim
    played = zip(frame["playbook"], frame["started_at"], strict=True)
    begun = [f"{str(playbook).replace('_', ' ')}, {wording.day(day)}" for playbook, day in played]
    frame = frame.assign(arr=frame["arr_then"], playbook=begun)
    shown: Columns = {
        "score_then": ("Score then", "points"), "playbook": ("Playbook, begun", "text"), "decided_on": ("Decided by", "date"),
        "arr_now": ("ARR now", _money(facts)),
        "band_now": ("Band now", lambda band: Piece("left since") if wording.unknown(band) else chip(band)),
    }  # fmt: skip
    return claim + _list(
        frame, shown, facts, (f"{facts.bands[0].capitalize()}, worked, and stayed, last {MONTHS} months", "saves.csv"), "ARR then"
    )


def worked(facts: FollowedFacts, treatment: TreatmentFacts) -> Piece:
    """What was begun, by playbook, and whether it helped."""
    claim, table = report.claim(say.worked(facts)), facts.worked.playbooks
    if table.empty or not table["started"].any():
        return claim + _helped(treatment) if len(table) else claim
    rows = table.assign(
        what=table["playbook"].where(table["playbook"] != "all", "All").str.replace("_", " "),
        whole=table["playbook"] == "all",
        said=[wording.share_range(*row) for row in table[["rate", "low", "high"]].to_numpy(float)],
    )
    shown: Columns = {
        "what": ("Playbook", "text"), "started": ("Begun", "count"), "accounts": ("Accounts", "count"),
        "arr": ("Their ARR", _money(facts)), "worst": (f"{facts.bands[0].capitalize()} then", "count"), "running": ("Running now", "count"),
        "decided": ("Decided since", "count"), "said": ("Of them stayed", interval),
    }  # fmt: skip
    shown = {name: spec for name, spec in shown.items() if name != "running" or facts.worked.ends_known}
    caption = (
        f"Work begun in the last {MONTHS} months on accounts of any band; playbooks go to different accounts, so the shares compare none"
    )
    return report.show(
        claim, report.table(rows, shown, caption=caption, layout="cards fold"), _helped(treatment), _effects(facts, treatment),
    )  # fmt: skip


def _helped(treatment: TreatmentFacts) -> Piece:
    """The answer of the strongest evidence."""
    if treatment.saved.empty:
        return report.claim(say.helped(treatment, "", ""))
    row = treatment.saved.iloc[0]
    told = claims_treatment.of_hundred(row["effect"], row["effect_low"], row["effect_high"])
    return report.claim(say.helped(treatment, told, _methods(treatment.saved)[0]))


def _effects(facts: FollowedFacts, treatment: TreatmentFacts) -> Piece:
    """What each method makes of the work, in accounts and ARR."""
    table = treatment.saved
    if table.empty:
        return Piece("")
    cash = [
        wording.NOTHING if wording.unknown(low) else f"{wording.money(low, _unit(facts), 2)} to {wording.money(high, _unit(facts), 2)}"
        for low, high in table[["arr_low", "arr_high"]].to_numpy(float)
    ]
    kept = [f"{wording.number(low, 0)} to {wording.number(high, 0)}" for low, high in table[["kept_low", "kept_high"]].to_numpy(float)]
    rows = table.assign(how=_methods(table), said=table["answer"].map(ANSWERS), cash=cash, kept_said=kept)
    shown: Columns = {
        "how": ("Compared how", "text"), "said": ("Did it help?", unbroken), "accounts": ("Accounts", "count"),
        "kept_said": ("Accounts kept by it", unbroken), "cash": ("ARR kept by it", unbroken),
    }  # fmt: skip
    caption = (
        f"Effect of all work of the last {MONTHS} months on accounts drawn or come to a decision, 95% ranges, strongest evidence first"
    )
    return report.table(rows, shown, caption=caption, layout="cards")


ANSWERS = {"helped": "▲ helped", "harmed": "▼ harmed", "cannot_tell": "◆ cannot tell"}


def _methods(table: pd.DataFrame) -> list[str]:
    """The method of each row of effects, in words."""
    told = {
        "threshold": "accounts just below and just above a score of {}",
        "matched": "comparison with like accounts that were not worked",
    }
    pairs = table[["method", "name"]].to_numpy(str)
    return [told[method].format(name) if method in told else f"random draw ({wording.isolated(name)})" for method, name in pairs]


def loads(facts: FollowedFacts) -> Piece:
    """Who has how much to look after."""
    claim, table = report.claim(say.loads(facts)), facts.loads.head(CSMS)
    if table.empty:
        return claim
    shown: Columns = {
        "csm": ("CSM", as_is), "accounts": ("Accounts", "count"), "arr": ("ARR", _money(facts)),
        "accounts_worst": (f"{facts.bands[0].capitalize()}", "count"), "arr_worst": (f"ARR {facts.bands[0]}", _money(facts)),
        "accounts_due": ("Renew in 90 days", "count"), "arr_due": ("Their ARR", _money(facts)), "running": ("With work running", "count"),
        "load": ("Of capacity", "share"),
    }  # fmt: skip
    known = {"running": table["running"].notna().any(), "load": table["load"].notna().any(), "accounts_due": facts.kind != "churn_within"}
    known["arr_due"] = known["accounts_due"]
    shown = {name: spec for name, spec in shown.items() if known.get(name, True)}
    more = f", the {CSMS} largest of {wording.count(len(facts.loads))}; all in csm_load.csv" if len(facts.loads) > CSMS else ""
    named = pd.Series([report.linked((csm, book_file(csm))) for csm in table["csm"]], index=table.index, dtype="object")
    return claim + report.table(
        table.assign(csm=named), shown, caption=f"What each looks after, largest ARR first{more}", layout="cards fold"
    )


def _list(frame: pd.DataFrame, columns: Columns, facts: FollowedFacts, said: tuple[str, str], money: str = "ARR") -> Piece:
    """Accounts by name, the first few; `said` is the caption and the file that holds them all. Columns nobody filled are left out."""
    if frame.empty:
        return Piece("")
    caption, file = said
    top = frame.head(SHOWN)
    who = [_who(facts, row) for row in top.to_dict("records")]
    more = f"; the first {len(top)} of {wording.count(len(frame))}, all in {file}" if len(frame) > SHOWN else ""
    filled = {name: spec for name, spec in columns.items() if top[name].notna().any()}
    shown: Columns = {"who": ("Account", as_is), "arr": (money, _money(facts)), **filled}
    return report.table(top.assign(who=pd.Series(who, index=top.index, dtype="object")), shown, caption=f"{caption}{more}", layout="cards")


def _who(facts: FollowedFacts, row: dict[Any, Any]) -> Piece:
    """The account, linked, then segment and CSM in quiet letters."""
    quiet = [report.escape(row[name]) for name in ("segment", "csm") if not wording.unknown(row.get(name))]
    under = f'<br><span class="quiet">{", ".join(quiet)}</span>' if quiet else ""
    return Piece(_link(facts, row["account_id"], row["name"]).html + under)


def _link(facts: FollowedFacts, account: object, name: object) -> Piece:
    """An account's name, leading to its section on the audit's page where it has one."""
    anchor = facts.anchors.get(str(account), "")
    return report.linked((account if wording.unknown(name) else name, f"audit.html#{anchor}" if anchor else ""))


def _unit(facts: FollowedFacts) -> str:
    return wording.compact(facts.currency)


def _money(facts: FollowedFacts) -> str:
    return f"money {_unit(facts)}"


def meanings() -> Piece:
    """What the words of these sections mean."""
    return report.details("What these lists count", report.definitions(say.MEANINGS))
