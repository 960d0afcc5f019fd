"""The e-mail: the figures of summary.json, nothing but inline styles, small, inert, and a sentence where there is nothing to say."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from healthlib import page_mail
from healthlib.resample import Estimate
from healthlib.studies.executive_facts import ExecutiveFacts
from healthlib.wording import count, money, share_range
from tests import small_company
from tests.test_executive import emptied, facts_of


@pytest.fixture(scope="module")
def facts() -> ExecutiveFacts:
    return facts_of(small_company.book(150))


def test_its_figures_are_those_of_the_summary(facts: ExecutiveFacts) -> None:
    html, summary = page_mail.mail(facts), facts.summary
    text = re.sub(r"<[^>]+>", "", html)
    assert f"{count(summary['accounts']['active'])} active accounts" in text
    assert money(summary["arr"]["total"], "USD") in text
    for row in summary["bands"]:
        line = rf"{row['band']}</bdi></th>.*?>{count(row['accounts'])}</td>.*?>{re.escape(money(row['arr'], 'USD'))}</td>"
        assert re.search(line, html), row
    for key in ("grr_12m", "nrr_12m"):
        found = summary["retention"][key]
        assert share_range(found["value"], found["low"], found["high"]) in text
    soon = summary["expected_loss"]["90"]
    assert money(soon["arr"], "USD") in text
    for place, row in enumerate(summary["first"]):
        assert money(row["arr"], "USD") in html.split("<li ")[place + 1], row
    due = sum(row["arr"] for row in summary["renewals_due"]["90"])
    assert soon["arr"] == pytest.approx(due)
    lost = sum(row["expected_lost_arr"]["value"] for row in summary["renewals_due"]["90"])
    assert soon["expected_lost_arr"]["value"] == pytest.approx(lost, rel=1e-6)


def test_it_is_safe_for_any_mail_reader(facts: ExecutiveFacts) -> None:
    html = page_mail.mail(facts)
    assert len(html.encode()) < 100_000
    assert not re.search(r"<(style|svg|img|script|link|iframe|form|object)\b", html)
    assert not re.search(r"https?:|//\w|url\(", html)
    assert "class=" not in html
    assert not re.search(r"[;\"](?:color:(?!inherit)|background)", re.sub(r'<span aria-hidden="true" style="color:[^"]*"', "", html))
    assert "max-width:640px" in html
    assert "Nimbus &lt;b&gt;Cloud" in html
    assert set(re.findall(r'href="([^"]+)"', html)) == {"executive.html", "audit.html", "weights.html", "backtest.html"}
    assert html.count("<h1") == 1


def test_hostile_and_endless_names_do_nothing(facts: ExecutiveFacts) -> None:
    risks = facts.risks.copy()
    risks["name"], risks["csm"] = "<img src=x onerror=alert(1)>" * 400, "\u202e</td></table>" * 400
    risks["why"], risks["playbook"] = "<script>" * 4000, "=cmd()" * 4000
    html = page_mail.mail(replace(facts, risks=risks))
    assert "<img" not in html
    assert "<script" not in html
    assert html.count("</table>") == page_mail.mail(facts).count("</table>")
    assert len(html.encode()) < 100_000


@pytest.mark.parametrize("case", ["no history", "no outcomes", "no contract ends", "nothing measured", "no attributes", "all green"])
def test_it_degrades_with_sentences(case: str) -> None:
    html = page_mail.mail(facts_of(emptied(small_company.book(8), case)))
    assert "nan" not in html.lower()
    assert "NaT" not in html


def test_a_large_company_has_no_larger_mail(facts: ExecutiveFacts) -> None:
    many: Any = replace(facts, risks=facts.risks.sample(5000, replace=True, random_state=0).reset_index(drop=True))
    assert abs(len(page_mail.mail(many)) - len(page_mail.mail(facts))) < 2_000
    assert isinstance(many.auc, Estimate)
