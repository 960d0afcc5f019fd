"""The sentences on ARR in the data check: terms that overlap, outcomes that do not fit what follows, the bridge, and invoices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from healthlib.claims import are, largest, undated
from healthlib.wording import compact, count, counted, day, listed, money, share

if TYPE_CHECKING:
    from healthlib.studies.check_facts import CheckFacts

OFF_RATIO = 1.5
"""Invoices of a year this many times the ARR, or its inverse, are told; what is billed a year ahead explains less."""


@dataclass(frozen=True)
class Finding:
    """One sentence and how much it matters: mend (a figure is wrong until it is), look (it may be), fine."""

    level: str
    text: str


def overlaps(check: CheckFacts) -> Finding:
    """Terms that cover the same days."""
    if not check.dated:
        return Finding("fine", undated("whether terms overlap"))
    table, currency = check.overlaps, check.context["currency"]
    if table.empty:
        return Finding("fine", "No account has two terms that cover the same days.")
    copies = table[table["kind"] == "copy"]
    beside, over = (int((table["kind"] == kind).sum()) for kind in ("side by side", "handover"))
    kinds = [f"{count(n)} {what}" for n, what in ((len(copies), "exact copies"), (beside, "side by side"), (over, "early renewals")) if n]
    whose = counted(table["account_id"].nunique(), "account")
    now = int(table["runs_now"].astype(bool).sum())
    today = "no pair runs today"
    if now:
        whole = float(check.bridge["end"].iloc[-1])
        extra = f"{money(check.beside, currency)} of ARR ({share(check.beside / whole)})"
        today = f"{count(now)} run today, and {extra} is beside an account's largest term"
    text = f"{counted(len(table), 'pair')} of terms of {whose} cover the same days ({listed(kinds)}); {today}."
    return Finding("mend" if len(copies) else "look", text)


def movements(check: CheckFacts) -> Finding:
    """Said outcomes against the terms that follow."""
    if not check.dated:
        return Finding("fine", undated("whether ARR adds up over time"))
    table, currency = check.mismatches, check.context["currency"]
    if table.empty:
        return Finding("fine", "No outcome that was given contradicts the terms that follow.")
    says = {
        "amount": "renewed at an ARR that the next term does not have",
        "churned": "said to have churned, yet followed by another term",
        "renewed": "said to be renewed, yet followed by none",
    }
    parts = [f"{count(n)} {says[str(kind)]}" for kind, n in table["kind"].value_counts().sort_index().items()]
    off = float(table["difference"].abs().sum())
    return Finding("mend", f"{counted(len(table), 'term')}: {listed(parts)}; {money(off, currency)} of ARR in all.")


def bridge(check: CheckFacts) -> Finding:
    """Whether the ARR bridge closes, and how far past ARR was changed afterwards."""
    table, currency = check.bridge, check.context["currency"]
    if table.empty:
        return Finding("fine", undated("how ARR moved")) if not check.dated else Finding("look", "No paid term had begun.")
    last = table.iloc[-1]
    open_ = int((table["off"].abs() > 0.005).sum())
    said = (
        f"Month by month, what came and went gives the ARR at the end in all {counted(len(table), 'month')}"
        if not open_
        else (f"In {open_} of {counted(len(table), 'month')} the movements do not give the ARR at the end")
    )
    text = f"{said}: {money(last['end'], currency)} on {day(last['month'])}."
    late = table[table["restated"].abs() > 0.005]
    if len(late):
        worst = largest(late.assign(by=late["restated"].abs()), "by")
        text += (
            f" {counted(len(late), 'past month-end')} read otherwise at the time, most on {day(worst['month'])}: "
            f"{money(worst['known_then'], currency)} then, {money(worst['end'], currency)} by today's contracts."
        )
    if check.corrected:
        were = "was" if check.corrected == 1 else "were"
        text += f" {counted(check.corrected, 'contract')} {were} corrected later; each day reads what was recorded by then."
    return Finding("mend" if open_ else "look" if len(late) else "fine", text)


def invoices(check: CheckFacts) -> Finding | None:
    """Invoices of a year against ARR; None without invoices that reach back so far."""
    table, currency = check.invoiced, check.context["currency"]
    if table.empty:
        return None
    far = table[(table["ratio"] > OFF_RATIO) | (table["ratio"] < 1 / OFF_RATIO)]
    whole = table["invoiced"].sum() / table["arr"].sum()
    text = (
        f"{counted(len(table), 'account')} under contract all year were invoiced {money(table['invoiced'].sum(), currency)}, "
        f"{share(whole)} of their ARR; "
    )
    text += f"{are(len(far), 'account')} off by half or more." if len(far) else "none is off by half or more."
    return Finding("mend" if abs(whole - 1) > 0.15 else "look" if len(far) else "fine", text)


def headline_money(check: CheckFacts) -> str:
    """ARR on the day, from the bridge; nothing where there is none."""
    return money(check.bridge["end"].iloc[-1], compact(check.context["currency"])) if len(check.bridge) else ""
