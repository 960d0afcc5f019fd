"""What is shown while an override is in force: the person's score and band, the measured ones beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from healthlib import bands, scoring
from healthlib.spec import Scorecard
from healthlib.wording import day, number

if TYPE_CHECKING:
    from healthlib.studies.book import Book

TODAY_COLUMNS = (
    "account_id", "name", "arr", "measured_score", "measured_band", "score", "band", "set_by", "reason", "set_on", "expires_on",
)  # fmt: skip


def overrule(rows: pd.DataFrame, in_force: pd.DataFrame, scorecard: Scorecard) -> pd.DataFrame:
    """Scored rows as shown: where an override is in force it sets score and band; the measured ones stay beside it.

    Parameters
    ----------
    rows : account_id, as_of, score, band, as measured
    in_force : `healthlib.overrides.COLUMNS`

    Returns
    -------
    Same index and columns, and measured_score, measured_band, override (NaN: none), override_set_on, override_expires_on, override_by,
    override_reason. An account that cannot be scored can be overruled too.
    """
    keys = ["account_id", "as_of"]
    names = {"set_on": "override_set_on", "expires_on": "override_expires_on", "set_by": "override_by", "reason": "override_reason"}
    said = in_force.rename(columns=names).drop_duplicates(keys)
    said = said.astype({"as_of": rows["as_of"].dtype, "override_set_on": "datetime64[s]", "override_expires_on": "datetime64[s]"})
    found = rows[keys].merge(said, how="left", on=keys).set_axis(rows.index).drop(columns=keys)
    out = rows.assign(measured_score=rows["score"], measured_band=rows["band"]).join(found.astype({"override": float}))
    starts, labels = bands.band_starts(scorecard), [band.name for band in scorecard.bands]
    known = out["override"].notna()
    shown = pd.Series(bands.assign(out["override"], starts, labels), index=rows.index, dtype="object")
    out["score"] = out["override"].where(known, out["score"])
    out["band"] = out["band"].astype("object").where(~known, shown).astype(rows["band"].dtype)
    return out


def today_overruled(book: Book) -> pd.DataFrame:
    """Accounts with an override in force on the day of the book, largest ARR first; columns `TODAY_COLUMNS`."""
    snapshot = book.history[book.history["as_of"] == book.as_of].reset_index(drop=True)
    measured = scoring.score(book.scorecard, snapshot).frame[["score", "band"]]
    rows = overrule(
        snapshot[["account_id", "as_of", "arr"]].join(snapshot.reindex(columns=["name"])).join(measured), book.overrides, book.scorecard
    )
    rows = rows[rows["override"].notna()].rename(
        columns=lambda name: name.removeprefix("override_").replace("by", "set_by", int(name == "override_by"))
    )
    return rows.sort_values(["arr", "account_id"], ascending=[False, True])[list(TODAY_COLUMNS)].reset_index(drop=True)


def overruled(rows: pd.DataFrame) -> pd.Series:
    """What a person said in place of the score: `set to 47 by Elif Kaya until 20 Oct 2022 (gut feeling), measured 61`; "" where nobody."""
    texts = []
    for score, measured, who, why, until in rows[
        ["override", "measured_score", "override_by", "override_reason", "override_expires_on"]
    ].itertuples(index=False, name=None):
        said = f"set to {number(score, 0)}" + (f" by {who}" if pd.notna(who) else "")
        said += (f" until {day(until)}" if pd.notna(until) else "") + (f" ({why})" if pd.notna(why) else "")
        texts.append("" if pd.isna(score) else f"{said}, " + ("not measured" if pd.isna(measured) else f"measured {number(measured, 0)}"))
    return pd.Series(texts, index=rows.index, dtype="object")
