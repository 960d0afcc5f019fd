"""When an account is worth a call: the `alerts:` section of scorecard.yaml as frozen rules, each with a default."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from healthlib.frozen import MOST_DAYS, Frozen

KINDS = {
    "new_red": "fell into the worst band",
    "champion_gone": "the champion is gone",
    "renewal_near": "renews soon, with much of its score in the worst band",
    "band_drop": "fell by a band or more",
    "trend": "is falling",
    "coverage_lost": "can no longer be scored",
    "no_contact": "nobody has been in contact",
    "usage_back": "uses the product again after a silence",
}
"""Kind of alert -> what it means, gravest first. `new_red` goes by the worst band, whatever it is called."""

GRAVE = 3
"""So many of the kinds come first in a list, by ARR; then the others, by ARR."""

USAGE = "usage"
"""What `usage_back` reads unless told otherwise: the rows of the table `usage`."""


class Trend(Frozen):
    """The score is lower than `days` ago by so many points, or by so many percent of what it was; 10 points where neither is given."""

    days: int = Field(90, gt=0, le=MOST_DAYS)
    points: float | None = Field(None, gt=0, le=100)
    percent: float | None = Field(None, gt=0, le=100)


class NoContact(Frozen):
    """No row in `touchpoints` for so many days, of an account that had one before."""

    days: int = Field(60, gt=0, le=MOST_DAYS)


class ChampionGone(Frozen):
    """A metric of the scorecard in a range, or an attribute with one of some values.

    Without a metric or attribute the rule reads the metric `champion_gone` where the scorecard has one, and is silent where not.
    """

    metric: str | None = Field(None, min_length=1)
    at_least: float | None = None
    at_most: float | None = None
    attribute: str | None = Field(None, min_length=1)
    values: tuple[str, ...] = ()


class RenewalNear(Frozen):
    """The term ends within `days`, and groups that score below `group_below` carry at least `of_weight` of the weight measured.

    `group_below` is the start of the second band where it is not given: a group in the worst band. `of_weight: 0` is any one group; with
    seven groups that is nearly everybody, so a third of the weight is the default. `groups` are those that count: all where not given.
    """

    days: int = Field(90, gt=0, le=MOST_DAYS)
    group_below: float | None = Field(None, gt=0, le=100)
    of_weight: float = Field(0.33, ge=0, le=1)
    groups: tuple[str, ...] = ()


class UsageBack(Frozen):
    """Use after so many days without: rows of the table `usage`, or a metric of the scorecard above 0 again."""

    metric: str = Field(USAGE, min_length=1)
    after_silent_days: int = Field(60, gt=0, le=MOST_DAYS)


class AlertRules(Frozen):
    """The rules of every kind of alert.

    Attributes
    ----------
    hysteresis : a band (or a trend, or a group's red) is left only when the score passes its edge by so many points
    listed_days : an alert stays in the list for so long after it was raised, while it holds; the same one is not raised again in that time
    off : kinds that are not raised at all
    """

    trend: Trend = Trend()
    no_contact: NoContact = NoContact()
    champion_gone: ChampionGone = ChampionGone()
    renewal_near: RenewalNear = RenewalNear()
    usage_back: UsageBack = UsageBack()
    hysteresis: float = Field(3.0, ge=0, le=50)
    listed_days: int = Field(90, ge=0, le=MOST_DAYS)
    off: tuple[str, ...] = ()

    rules: ClassVar[dict[str, type[Frozen]]] = {
        "trend": Trend,
        "no_contact": NoContact,
        "champion_gone": ChampionGone,
        "renewal_near": RenewalNear,
        "usage_back": UsageBack,
    }
    """Kinds that have a rule of their own in the file."""
