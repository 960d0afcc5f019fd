"""Sentences on beginnings and owners: what successful customers did early, what went with staying, and who has which book."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib.claims import ASSOCIATED, largest, undated
from healthlib.wording import count, counted, listed, money, number, share, share_range

if TYPE_CHECKING:
    from healthlib.studies.audit import AuditFacts

SHOWN_WINDOW = 90


def successful(audit: AuditFacts) -> str:
    """How many customers are successful, in accounts and ARR, and what the others lack most."""
    table = audit.successful
    if table.empty:
        return "No account is active, so nobody can be called successful."
    if audit.kind == "flat":
        return undated("who has renewed and grown")
    won = table[table["successful"]]
    total = float(table["arr"].sum())
    arr = f" with {share(won['arr'].sum() / total)} of the ARR" if total > 0 else ""
    be = "is" if len(won) == 1 else "are"
    said = f"{count(len(won))} of {counted(len(table), 'active account')}{arr} {be} successful: {_short(audit.success_by)}"
    lacking = table.loc[~table["successful"], "because"].str.split(", ").explode().value_counts()
    return said + (f". Of the others most lack this: {lacking.index[0]} ({count(lacking.iloc[0])})." if len(lacking) else ".")


def _short(bars: dict[str, float]) -> str:
    """The definition in a few words, and whose it is."""
    asks = {"renewals": "renewed", "arr_kept": "not shrinking", "use_points": "using the product", "tenure_days": "here for long enough"}
    parts = [asks[name] for name in asks if bars[name] > 0]
    whose = "your definition in workspace.yaml" if bars["stated"] else "our definition, as workspace.yaml gives none"
    return f"{listed(parts) if parts else 'nothing is asked of them'} ({whose})"


def definition(audit: AuditFacts) -> str:
    """What is asked of a successful customer, bar by bar, and where to change it."""
    bars = audit.success_by
    renewals = counted(bars["renewals"], "renewal")
    parts = [f"at least {renewals} (where customers pay by the month, whole years)"] if bars["renewals"] else []
    parts += [f"ARR at least {share(bars['arr_kept'])} of that of a year ago"] if bars["arr_kept"] else []
    use = f"at least {number(bars['use_points'], 0)} of 100 points on average over the metrics of use and contact"
    parts += [use] if bars["use_points"] else []
    parts += [f"a customer for at least {counted(bars['tenure_days'], 'day')}"] if bars["tenure_days"] else []
    where = "as workspace.yaml says" if bars["stated"] else "our default: `success` in workspace.yaml changes it"
    return f"Successful: {listed(parts) if parts else 'every active account'} ({where})."


def first_days(audit: AuditFacts) -> str:
    """What successful customers surely did more of in their first days."""
    table = audit.first_days
    if table.empty:
        return (
            "What successful customers did in their first days cannot be told: too few accounts began while their use was being recorded "
            "and have been followed for a year since."
            if audit.kind != "flat"
            else undated("what customers did in their first days")
        )
    sure = table[table["verdict"] != "cannot tell"]
    if sure.empty:
        return f"Nothing in their first {counted(table['window'].max(), 'day')} surely sets successful customers apart."
    near = sure[sure["window"] == SHOWN_WINDOW]
    row = (near if len(near) else sure).sort_values("auc", ascending=False).iloc[0]
    most, least = (number(row[f"median_{side}"], 0) for side in ("successful", "others"))
    earliest = int(sure["window"].min())
    return (
        f"In their first {count(row['window'])} days successful customers had more of “{row['measure'].lower()}” than others of like size: "
        f"{most} at the median against {least} (n = {count(row['successful'])} and {count(row['others'])}); "
        f"some difference is sure by day {earliest}."
    )


def features(audit: AuditFacts) -> str:
    """Which features used early went with staying."""
    table = audit.features
    if table.empty:
        if audit.kind == "flat":
            return undated("which features were used early")
        return "Which features are needed cannot be told: too few accounts began while features were being recorded and were followed on."
    sure = table[table["verdict"] == "goes with staying"]
    if sure.empty:
        best = table.iloc[0]
        return (
            f"Of {counted(len(table), 'feature')} compared none surely goes with staying once segment, size and the number of comparisons "
            f"are allowed for; “{best['feature']}” comes closest: {_kept(best, 'used')} of its early users stayed the year after, "
            f"{_kept(best, 'not')} of the others."
        )
    names = listed([f"“{name}”" for name in sure["feature"].head(3)])
    best = sure.iloc[0]
    return (
        f"Accounts that used {names} in their first {SHOWN_WINDOW} days stayed more often; of “{best['feature']}”’s early users "
        f"{_kept(best, 'used')} stayed the year after, of the others {_kept(best, 'not')}. {ASSOCIATED}"
    )


def feature_outcomes(audit: AuditFacts) -> str:
    """The feature whose early users and others differ most in staying, before anything is allowed for."""
    table = audit.features
    if table.empty:
        return features(audit)
    row = largest(table.assign(gap=(table["kept_used"] - table["kept_not"]).abs()), "gap")
    low, high = ("not", "used") if row["kept_used"] >= row["kept_not"] else ("used", "not")
    apart = "the intervals do not touch" if row[f"{high}_low"] > row[f"{low}_high"] else "the intervals overlap"
    return (
        f"Side by side, before segment and size are allowed for, “{row['feature']}” differs most: {_kept(row, 'used')} of its early users "
        f"stayed the year after (n = {count(row['used'])}), {_kept(row, 'not')} of the others (n = {count(row['not_used'])}); {apart}."
    )


def _kept(row: pd.Series, side: str) -> str:
    return share_range(row[f"kept_{side}"], row[f"{side}_low"], row[f"{side}_high"])


def steps(audit: AuditFacts) -> str:
    """Whether doing the onboarding steps on time went with staying."""
    table = audit.steps
    if table.empty:
        return "Which onboarding steps count cannot be told: no milestones of accounts that were followed for a year and a half."
    single = table[table["milestone"] != "all steps"]
    apart = [name for name, part in single.groupby("milestone", sort=False) if _apart(part)]
    if apart:
        part = single[single["milestone"] == apart[0]].set_index("done")
        first, last = part.iloc[0], part.iloc[-1]
        rates = [share_range(row["rate"], row["low"], row["high"]) for row in (first, last)]
        return (
            f"“{apart[0]}” done {part.index[0]} was followed by {rates[0]} leaving within the year after, done {part.index[-1]} by "
            f"{rates[1]}."
        )
    n = int(single.groupby("milestone")["accounts"].sum().max())
    number_of = single["milestone"].nunique()
    if number_of == 1:
        none = f"The one onboarding step, “{single['milestone'].iloc[0]}”, does not surely matter"
    else:
        none = f"None of the {count(number_of)} onboarding steps surely matters"
    return f"{none}: whether done on time, late or not at all, the churn rates overlap (n = {counted(n, 'account')})."


def _apart(part: pd.DataFrame) -> bool:
    """Whether done on time surely was followed by fewer losses than not done."""
    return len(part) > 1 and bool(part.iloc[0]["high"] < part.iloc[-1]["low"])


def owners(audit: AuditFacts) -> str:
    """Who has the largest book, and whose outcomes differ from what the accounts' risk predicted."""
    table = audit.owners
    if table.empty:
        return "Who looks after which account is not in the exports (a `csm` column), so books cannot be compared."
    judged, top = table[table["verdict"] != ""], table.iloc[0]
    opening = f"{counted(len(table), 'CSM')} look after {money(table['arr'].sum(), audit.currency)}; {top['csm']} has the largest book, " \
              f"{counted(top['accounts'], 'account')} with {money(top['arr'], audit.currency)}"  # fmt: skip
    if judged.empty:
        return f"{opening}. Nobody had enough renewals in twelve months to compare outcomes fairly."
    apart = judged[judged["verdict"] != "cannot tell"]
    if apart.empty:
        return f"{opening}. Allowing for how healthy their accounts were, no CSM’s losses surely differ from those expected."
    told = [f"{row.csm} {row.verdict} ({row.lost:.0f} against {row.expected:.1f})" for row in apart.itertuples()]
    return f"{opening}. Allowing for how healthy their accounts were and how many are compared, losses over twelve months: {listed(told)}."
