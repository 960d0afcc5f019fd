"""The sentences on what CSMs said of the score, each built from the facts it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthlib.claims import score_range
from healthlib.studies.overrides import HELPED, HURT
from healthlib.wording import count, counted, share, share_range

if TYPE_CHECKING:
    from healthlib.studies.feedback import FeedbackFacts


def judged(feedback: FeedbackFacts) -> str:
    """Whether CSMs who called the score wrong were right."""
    if feedback.needs:
        return f"Nobody has written down yet where the score is wrong: it takes {feedback.needs}."
    remarks = feedback.remarks
    unread = f" {counted(feedback.unread, 'remark')} named neither a score nor a band." if feedback.unread else ""
    decided = remarks[remarks["outcome"] != "open"] if len(remarks) else remarks
    opening = f"CSMs called the score wrong {counted(len(remarks), 'time')}, {count(len(decided))} of them on accounts decided since"
    both = feedback.effects[(feedback.effects["direction"] == "both") & (feedback.effects["set_by"] == "everybody")]
    if both.empty:
        return f"{opening}; none can be judged yet.{unread}"
    row = both.iloc[0]
    verdict = {HELPED: "CSMs knew better than the score", HURT: "the score knew better than the CSMs"}.get(
        row["verdict"], "who knew better cannot be told"
    )
    benefit = f"{row['benefit']:+.0%} ({row['benefit_low']:+.0%} to {row['benefit_high']:+.0%})".replace("-", "−")
    return (
        f"{opening}: {verdict}. Outcomes went their way by {benefit} of cases more than among accounts of the same score that nobody "
        f"spoke of (n = {counted(row['accounts'], 'account')}, {count(row['lost'])} lost).{unread}"
    )


def directions(feedback: FeedbackFacts) -> list[str]:
    """Raised and lowered apart, where each was said."""
    rows = feedback.effects[feedback.effects["direction"].isin(["raised", "lowered"]) & (feedback.effects["set_by"] == "everybody")]
    told = {"raised": "too low", "lowered": "too high"}
    return [
        f"Where they called it {told[str(row['direction'])]}: {share_range(row['rate'], row['low'], row['high'])} left, "
        f"{share(row['expected'])} were to be expected by the score (n = {counted(row['cases'], 'case')})."
        for _, row in rows.iterrows()
        if row["cases"] > 0
    ]


def would_tell(feedback: FeedbackFacts) -> str:
    """Which metric would have told on the accounts that CSMs spoke of."""
    table = feedback.would_tell
    if table.empty:
        few = "Which metric would have told cannot be said: it takes 5 lost and 5 kept accounts among those spoken of."
        return few if len(feedback.remarks) else ""
    best, score, said = table.iloc[0], feedback.auc["score"], feedback.auc["said"]
    weight = "has no weight" if best["weight"] == 0 else f"has a weight of {best['weight']:g}"
    sure = best["low"] > score.value
    return (
        f"On the accounts CSMs spoke of the score ranks with an AUC of {score_range(score)}, their own word with {score_range(said)}; "
        f"“{best['label']}” alone with {best['auc']:.2f} ({best['low']:.2f}–{best['high']:.2f}), and it {weight}"
        f"{'.' if sure else ', but with so few accounts the best of several metrics proves little.'}"
    )
