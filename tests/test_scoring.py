"""Scores of cases small enough to check by hand, and what must hold for any cases.

The hand calculations follow PRODUCT.md 5.4: metric score = 100 * clip((value - worst) / (best - worst), 0, 1);
score = sum of weight * metric score / sum of weight over what is measured, then the lowest cap of the gates that hold.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from healthlib.errors import HealthlibError
from healthlib.scoring import applies, explain, metric_scores, playbooks, resolve_scales, score, shortfalls, top_drivers, weight_matrix
from healthlib.spec import Band, Gate, Metric, Range, Scorecard

NAN = float("nan")
DAY = pd.Timestamp("2026-01-31")


def metric(name: str, group: str, worst: object, best: object, weight: float, **more: object) -> Metric:
    keys = {"name": name, "group": group, "table": "usage", "measure": "count", "worst": worst, "best": best, "weight": weight, **more}
    return Metric.model_validate(keys)


def card(*metrics: Metric, **more: object) -> Scorecard:
    bands = tuple(Band(name=name, start=start) for name, start in (("red", 0), ("yellow", 60), ("green", 80)))
    groups = tuple(dict.fromkeys(m.group for m in metrics))
    return Scorecard.model_validate({"groups": groups, "metrics": {m.name: m for m in metrics}, "bands": bands, **more})


def cases(**columns: list) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"account_id": [f"A{i}" for i in range(n)], "as_of": DAY, **columns})


USE = metric("use", "adoption", 0, 0.8, 20)
TICKETS = metric("tickets", "support", 10, 2, 10, better="lower")
NPS = metric("nps", "voice", 0, 10, 10)
CARD = card(USE, TICKETS, NPS)


def test_scores_by_hand():
    """Three cases.

    0: use .4/.8 = 50, tickets (4-10)/(2-10) = 75, nps 90: (20*50 + 10*75 + 10*90) / 40 = 66.25.
    1: nps is missing, use and tickets clip to 0 and 100: (20*0 + 10*100) / 30 = 33.33, coverage 30/40.
    2: nps alone, 10/40 of the weight: unscored.
    """
    scores = score(CARD, cases(use=[0.4, -1.0, NAN], tickets=[4.0, 1.0, NAN], nps=[9.0, NAN, 10.0]))
    assert scores.metric_scores.to_numpy() == pytest.approx(np.array([[50, 75, 90], [0, 100, NAN], [NAN, NAN, 100]]), nan_ok=True)
    assert scores.frame["score"].to_numpy() == pytest.approx([66.25, 100 / 3, NAN], nan_ok=True)
    assert scores.frame["coverage"].to_numpy() == pytest.approx([1, 0.75, 0.25])
    assert list(scores.frame["band"]) == ["yellow", "red", "unscored"]
    assert list(scores.frame["gate"]) == ["", "", ""]
    assert scores.points.to_numpy() == pytest.approx(np.array([[25, 18.75, 22.5], [0, 100 / 3, 0], [NAN] * 3]), nan_ok=True)
    assert scores.groups.to_numpy() == pytest.approx(np.array([[50, 75, 90], [0, 100, NAN], [NAN, NAN, 100]]), nan_ok=True)
    assert list(scores.frame.columns) == ["account_id", "as_of", "score", "band", "coverage", "gate"]


def test_a_score_that_is_80_on_paper_reaches_the_band_from_80():
    """Three weights of 0.1 and metric scores of 80: 0.1 + 0.1 + 0.1 is not 0.3 in binary, yet 24 / 0.3 is 80."""
    thirds = card(*(metric(name, "g", 0, 1, 0.1) for name in "abc"))
    scores = score(thirds, cases(a=[0.8], b=[0.8], c=[0.8]))
    assert scores.frame["score"].tolist() == [80.0]
    assert scores.frame["band"].tolist() == ["green"]


def test_missing_rules_by_hand():
    """Filled by `worst` (0) and `neutral` (50): (20*100 + 10*0 + 10*50) / 40 = 62.5; what is filled in was not measured: coverage 20/40."""
    filled = card(USE, TICKETS.model_copy(update={"missing": "worst"}), NPS.model_copy(update={"missing": "neutral"}))
    scores = score(filled, cases(use=[0.8], tickets=[NAN], nps=[NAN]))
    assert scores.metric_scores.to_numpy().tolist() == [[100, 0, 50]]
    assert scores.frame[["score", "coverage"]].to_numpy().tolist() == [[62.5, 0.5]]
    assert scores.points.to_numpy().tolist() == [[50, 0, 12.5]]


def test_gates_by_hand():
    """0: 100, both gates hold, the lower cap 30 wins and costs 70. 1: only the first holds: 49. 2: the score 25 is under the cap."""
    gates = (
        Gate(name="late", metric="late", holds=Range(at_least=1), cap=49),
        Gate(name="silent", metric="late", holds=Range(over=5), cap=30),
    )
    late = metric("late", "support", 9, 0, 0)
    scores = score(card(USE, late, gates=gates), cases(use=[0.8, 0.8, 0.2, 0.8], late=[6.0, 1.0, 1.0, NAN]))
    assert scores.frame["score"].tolist() == [30, 49, 25, 100]
    assert scores.frame["gate"].tolist() == ["silent", "late", "", ""]
    assert scores.points["late"].tolist() == [-70, -51, 0, 0]
    assert top_drivers(scores)[0] == "capped at 30 by silent; down: Late 6 (-70.0); up: Use 0.80 (+100.0)"


def test_profiles_first_match_wins_and_leaves_the_rest_alone():
    """Young, best .4: .2 -> 50. SMB, worst .1 and best .8: .45 -> 50, weight 5. Young and SMB: the first, .2 -> 50. Others: .2 -> 25."""
    profiles = [{"when": {"age_days": {"under": 180}}, "best": 0.4}, {"when": {"segment": "SMB"}, "worst": 0.1, "weight": 5}]
    use = metric("use", "adoption", 0, 0.8, 20, profiles=profiles)
    rows = cases(use=[0.2, 0.45, 0.2, 0.2], nps=[10.0] * 4, age_days=[100, 180, 179, NAN], segment=["Enterprise", "SMB", "SMB", None])
    scores = score(card(use, NPS), rows)
    assert scores.metric_scores["use"].tolist() == pytest.approx([50, 50, 50, 25])
    assert weight_matrix(card(use, NPS), rows)["use"].tolist() == [20, 5, 20, 20]
    assert scores.frame["score"].tolist() == pytest.approx([2000 / 30, (5 * 50 + 1000) / 15, 2000 / 30, 50])


def test_a_metric_that_does_not_apply_counts_neither_for_nor_against():
    """The small customer is judged by nps alone (coverage 1); an unknown segment is in no list."""
    use = metric("use", "adoption", 0, 0.8, 20, applies_to={"segment": ["Mid-Market", "Enterprise"]}, missing="worst")
    rows = cases(use=[0.8, 0.8, 0.8, NAN], nps=[5.0] * 4, segment=["SMB", "Enterprise", None, "SMB"])
    scores = score(card(use, NPS), rows)
    assert applies(card(use, NPS), rows)["use"].tolist() == [False, True, False, False]
    assert weight_matrix(card(use, NPS), rows)["use"].tolist() == [0, 20, 0, 0]
    assert scores.frame["score"].tolist() == pytest.approx([50, 2500 / 30, 50, 50])
    assert scores.frame["coverage"].tolist() == [1, 1, 1, 1]
    assert np.isnan(scores.metric_scores["use"]).tolist() == [True, False, True, True]


def test_other_weights_replace_those_of_the_scorecard_and_its_profiles():
    use = metric("use", "adoption", 0, 1, 20, profiles=[{"when": {"segment": "SMB"}, "weight": 5}])
    scores = score(card(use, NPS), cases(use=[1.0], nps=[0.0], segment=["SMB"]), {"use": 30, "nps": 70})
    assert scores.frame["score"].tolist() == [30]
    assert score(card(use, NPS), cases(use=[1.0], nps=[0.0], segment=["SMB"]), {"nps": 1}).frame["score"].tolist() == [0]
    with pytest.raises(HealthlibError, match=r"weights name 'npss', which is not a metric of the scorecard; did you mean 'nps'?"):
        score(CARD, cases(use=[1.0], nps=[0.0], tickets=[1.0]), {"npss": 1})


def test_nothing_measured_is_unscored_not_zero():
    scores = score(card(USE, NPS, min_coverage=0), cases(use=[NAN], nps=[NAN]))
    assert scores.frame["band"].tolist() == ["unscored"]
    assert np.isnan(scores.frame["score"]).all()
    assert top_drivers(scores).tolist() == ["not scored: 0% of the weight was measured"]
    assert len(score(CARD, cases(use=[], tickets=[], nps=[])).frame) == 0


def test_quantiles_are_read_from_the_cases_they_are_for():
    """History 0..10: the 10 % and 90 % quantiles are 1 and 9. The largest of the SMB half (0, 2, .. 10) is 10, of the rest 9."""
    history = cases(use=[*map(float, range(11)), NAN], segment=["SMB", "Big"] * 6)
    plain = resolve_scales(card(metric("use", "g", {"quantile": 0.1}, {"quantile": 0.9}, 1)), history)
    assert (plain.metrics["use"].worst, plain.metrics["use"].best) == (1, 9)
    profiles = [{"when": {"segment": "SMB"}, "best": {"quantile": 1}}]
    split = resolve_scales(card(metric("use", "g", 0, {"quantile": 1}, 1, profiles=profiles)), history).metrics["use"]
    assert (split.worst, split.best, split.profiles[0].best) == (0, 9, 10)


def test_a_scale_that_history_contradicts_measures_nothing():
    """A metric that was always 3 has no worst and best, and an end on the wrong side would turn good into bad."""
    history = cases(use=[3.0, 3.0, NAN])
    for worst, best in (({"quantile": 0.1}, {"quantile": 0.9}), (3, {"quantile": 0.5}), (7, {"quantile": 0.5})):
        flat = card(metric("use", "g", worst, best, 1, better="higher", missing="worst"), NPS)
        now = cases(use=[3.0, 9.0, NAN], nps=[10.0] * 3)
        assert metric_scores(resolve_scales(flat, history), now)["use"].to_numpy() == pytest.approx([NAN] * 3, nan_ok=True)
    with pytest.raises(HealthlibError, match="call resolve_scales"):
        score(flat, now)


def test_explanations_by_hand():
    """Shares 1/2, 1/4, 1/4; metric scores 50, 75, 90: shortfalls 25, 6.25, 2.5."""
    plays = {"yellow": {"support": "Call support", "voice": "Ask them"}, "green": {"adoption": "Train"}}
    scores = score(card(USE, TICKETS, NPS, playbooks=plays), cases(use=[0.4, 0.8], tickets=[4.0, 2.0], nps=[9.0, NAN]))
    told = explain(scores, 0)
    assert told["metric"].tolist() == ["use", "tickets", "nps"]
    assert told["shortfall"].tolist() == pytest.approx([25, 6.25, 2.5])
    assert told["points"].sum() == pytest.approx(66.25, abs=1e-9)
    assert told["value"].tolist() == [0.4, 4, 9]
    assert top_drivers(scores, 1).tolist() == ["down: Use 0.40 (-25.0); up: Nps 9 (+22.5)", "up: Use 0.80 (+66.7)"]
    assert playbooks(scores).tolist() == ["Call support", ""]


def test_a_misspelt_column_is_named_with_the_nearest():
    use = metric("use", "g", 0, 1, 1, applies_to={"segmnt": "SMB"})
    with pytest.raises(HealthlibError, match=r"names 'segmnt', but the cases have no such column; did you mean 'segment'?"):
        score(card(use), cases(use=[1.0], segment=["SMB"]))
    with pytest.raises(HealthlibError, match="the scorecard names 'use'"):
        score(card(use), cases(segment=["SMB"]))


NUMBERS = st.floats(-3, 12) | st.just(NAN)
TABLES = st.integers(1, 8).flatmap(lambda n: arrays(float, (n, 3), elements=NUMBERS))
GATED = card(
    metric("use", "adoption", 0, 8, 20, profiles=[{"when": {"seats": {"over": 5}}, "best": 4, "weight": 1}]),
    metric("tickets", "support", 10, 2, 10, missing="worst"),
    metric("nps", "voice", 0, 10, 0.1, applies_to={"seats": {"under": 9}}),
    gates=(
        Gate(name="many", metric="tickets", holds=Range(at_least=9), cap=20),
        Gate(name="idle", metric="use", holds=Range(at_most=0), cap=40),
    ),
    min_coverage=0.3,
)


def frame_of(table: np.ndarray) -> pd.DataFrame:
    return cases(**dict(zip(["use", "tickets", "nps"], table.T, strict=True)), seats=list(range(3, 3 + len(table))))


@given(TABLES)
def test_points_sum_to_the_score_and_with_shortfalls_to_100(table):
    scores = score(GATED, frame_of(table))
    scored = scores.frame["score"].notna()
    assert np.allclose(scores.points.sum(axis=1)[scored], scores.frame["score"][scored], rtol=0, atol=1e-9)
    assert np.allclose((scores.points + shortfalls(scores)).sum(axis=1)[scored], 100, rtol=0, atol=1e-9)
    assert scores.points[~scored].isna().all(axis=None)
    assert scores.frame["score"].dropna().between(0, 100).all()
    assert ((scores.frame["band"] == "unscored") == ~scored).all()


@given(TABLES, st.randoms(use_true_random=False))
def test_row_order_and_index_change_nothing(table, random):
    rows = frame_of(table)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = score(GATED, rows.iloc[order])
    pd.testing.assert_frame_equal(shuffled.frame.sort_index(), score(GATED, rows).frame)
    pd.testing.assert_frame_equal(shuffled.points.sort_index(), score(GATED, rows).points)


@given(TABLES, st.sampled_from(["use", "tickets", "nps"]), st.floats(0, 5))
def test_a_better_value_never_lowers_a_score(table, name, by):
    rows = frame_of(table)
    better = rows.assign(**{name: rows[name] + (by if GATED.metrics[name].better == "higher" else -by)})
    before, after = score(GATED, rows).frame["score"], score(GATED, better).frame["score"]
    assert (after.isna() == before.isna()).all()
    assert (after.dropna() >= before.dropna()).all()


@given(TABLES)
def test_the_weight_of_what_is_missing_is_spread_over_the_rest(table):
    """A missing metric scores as if the scorecard did not have it."""
    rows = frame_of(table).assign(nps=NAN)
    without = card(*(m for name, m in GATED.metrics.items() if name != "nps"), gates=GATED.gates, min_coverage=0)
    with_it = score(GATED.model_copy(update={"min_coverage": 0}), rows).frame["score"]
    assert with_it.to_numpy() == pytest.approx(score(without, rows).frame["score"].to_numpy(), nan_ok=True)


@given(TABLES, st.floats(0.01, 1000))
def test_only_the_proportions_of_weights_count(table, factor):
    rows, weights = frame_of(table), {"use": 3.0, "tickets": 1.0, "nps": 2.0}
    scaled = {name: weight * factor for name, weight in weights.items()}
    assert score(GATED, rows, scaled).frame["score"].to_numpy() == pytest.approx(
        score(GATED, rows, weights).frame["score"].to_numpy(), nan_ok=True
    )


def test_blocks_and_one_case_at_a_time_agree():
    """Scoring works through blocks of cases: a case scores the same wherever it stands, and the input stays as it was."""
    rng = np.random.default_rng(0)
    rows = pd.concat([frame_of(rng.uniform(-3, 12, (20_000, 3)))], ignore_index=True).assign(seats=rng.integers(1, 12, 20_000))
    before = rows.copy()
    together = score(GATED, rows)
    for i in (0, 16_383, 16_384, 19_999):
        alone = score(GATED, rows.iloc[[i]])
        pd.testing.assert_frame_equal(alone.frame, together.frame.iloc[[i]])
        pd.testing.assert_frame_equal(alone.points, together.points.iloc[[i]])
    pd.testing.assert_frame_equal(rows, before)
