"""What a run recommends, as a proposal that `healthlib adopt` can write; where it recommends nothing there is no file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .bands import band_starts, matched_starts
from .proposal import Origin, Proposal, Scale, data_sha256, proposal_yaml
from .scoring import score
from .spec import Scorecard

if TYPE_CHECKING:
    from .studies.fit import FitFacts

NAME = "proposal.yaml"


def write_proposal(book: Any, fit: FitFacts, folder: Path) -> Path | None:
    """Write ``proposal.yaml`` into the folder of a run where the fit recommends something; else there is none afterwards.

    Returns
    -------
    The file, or None.
    """
    found, path = proposal_of(book, fit), folder / NAME
    if found is None:
        path.unlink(missing_ok=True)
        return None
    path.write_text(proposal_yaml(found), encoding="utf-8", newline="")
    return path


def proposal_of(book: Any, fit: FitFacts) -> Proposal | None:
    """The learned scales with the weights they were tested with, where those are recommended; else the fitted weights, where they are.

    Thresholds move with the scores, so that each band holds as many of the finished cases as it does now: the work stays the same.
    """
    learned = fit.learned
    if learned.advice == "adopt":
        weights, scales, reason = learned.weights, _scales(learned.curves), learned.reason
    elif fit.recommendation == "adopt":
        weights, scales, reason = fit.weights, {}, fit.reason
    else:
        return None
    points = {str(name): float(given) for name, given in zip(weights["metric"], weights["recommended"], strict=True)}
    inputs = book.tables[["table", "sha256"]].astype(str).to_dict("records")
    origin = Origin(made_on=book.as_of.date(), workspace=book.workspace.name, scorecard_sha256=book.workspace.scorecard.sha256,
                    data_sha256=data_sha256(inputs), by="fit", why=reason)  # fmt: skip
    return Proposal(origin, points, scales, _bands(book, _card(book.scorecard, points, scales)))


def _scales(curves: pd.DataFrame) -> dict[str, Scale]:
    """The rows of scales.csv as scales."""
    found = {}
    for name, part in curves.groupby("metric", sort=False):
        drawn = {
            int(str(at)): dict(zip(rows["value"].tolist(), rows["points"].tolist(), strict=True)) for at, rows in part.groupby("profile")
        }
        found[str(name)] = Scale(curve=drawn.pop(-1), profiles=drawn)
    return found


def _card(card: Scorecard, weights: dict[str, float], scales: dict[str, Scale]) -> Scorecard:
    """The scorecard as it would be once adopted."""
    metrics = {}
    for name, metric in card.metrics.items():
        bent, plain = scales.get(name), {"worst": None, "best": None, "steps": None}
        profiles = tuple(
            part.model_copy(update={"weight": None} | ({**plain, "curve": bent.profiles.get(at)} if bent else {}))
            for at, part in enumerate(metric.profiles)
        )
        drawn = {**plain, "curve": bent.curve} if bent else {}
        metrics[name] = metric.model_copy(update={"weight": weights.get(name, 0.0), "profiles": profiles, **drawn})
    return card.model_copy(update={"metrics": metrics})


def _bands(book: Any, adopted: Scorecard) -> dict[str, float]:
    """Where bands begin, in whole points, so that the shares of finished cases in them stay; none where that cannot be."""
    done = book.compared_cases
    done = done[done["lost"].notna()]
    before, after = (score(card, done).frame["score"].to_numpy(dtype=float) for card in (book.scorecard, adopted))
    use = np.isfinite(before) & np.isfinite(after)
    starts = [round(start) if np.isfinite(start) else np.nan for start in matched_starts(after[use], before[use], book.scorecard)]
    if not all(low < high <= 100 for low, high in pairwise(starts)):
        return {}
    moved = zip(book.scorecard.bands, starts, band_starts(book.scorecard), strict=True)
    return {band.name: float(start) for band, start, now in moved if abs(start - now) >= 1}
