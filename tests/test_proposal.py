"""A proposal is read with every fault at once, written the same way each time, and adopted without touching anything else."""

from __future__ import annotations

import hashlib
import shutil
from datetime import date
from pathlib import Path

import pytest
import yaml

from healthlib import cli
from healthlib.adopt import AdoptError, Wanted, adopt, adopt_weights
from healthlib.adopt_checks import outside_limits, proven
from healthlib.adoptions import RECORD, read_adoptions
from healthlib.demo import make_demo
from healthlib.proposal import Origin, Proposal, ProposalError, Scale, data_sha256, proposal_yaml, read_proposal
from healthlib.spec import load_scorecard, load_workspace
from healthlib.tables import load_tables
from healthlib.yamledit import EditError, Edits

CARD = """# ours
groups: [adoption, support]
metrics:
  seats:            # the seats
    group: adoption
    weight: 20      # was 30
    worst: 0        # nobody
    best: 0.8       # agreed with CS
  nps: {group: support, label: "NPS, 'ours'", weight: 10, worst: {quantile: 0.1}, best: {quantile: 0.9}}   # one line
  tickets:
    group: support
    steps:          # counted
      0: 100        # none
      5: 0
    weight: 70
bands:
  - {name: red, from: 0}
  - name: "green"   # the good
    from: 60        # since 2024
"""
ORIGIN = Origin(
    made_on=date(2026, 10, 31), workspace="Acme", scorecard_sha256="a" * 64, data_sha256="b" * 64, by="lab", why='so: "yes" – 😀\n#1'
)


def card(folder: Path, text: str = CARD) -> Path:
    path = folder / "scorecard.yaml"
    path.write_bytes(text.encode())
    return path


def wanted(**parts: dict) -> Wanted:
    return Wanted(Path("proposal.yaml"), parts.get("weights", {}), parts.get("scales", {}), parts.get("bands", {}))


def test_what_is_written_reads_back_and_the_same_bytes_come_twice(tmp_path: Path) -> None:
    scales = {"seats": Scale(worst=0, best=0.8), "nps": Scale(curve={0: 0, 0.4: 60, 0.9: 100})}
    made = Proposal(ORIGIN, {"seats": 33.3, "nps": 66.7}, scales, {"yellow: 1": 62.5, "no": 81})
    path = tmp_path / "proposal.yaml"
    path.write_text(proposal_yaml(made), encoding="utf-8")
    read = read_proposal(path)
    assert read == made
    assert proposal_yaml(read) == path.read_text(encoding="utf-8")


def test_every_fault_of_a_proposal_comes_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "proposal.yaml"
    path.write_text(
        "proposal: {made_on: 2026-10-31, workspace: Acme, scorecard_sha256: a, data_sha256: b, by: hand, whi: x}\n"
        "weights:\n  seets: 50\n  nps: -1\n"
        "scales:\n  nps: {worst: 0}\n  seats: {curve: {0: 0, 1: 120}}\n"
        "bands: {gren: 60}\nband: {}\n"
    )
    with pytest.raises(ProposalError) as caught:
        read_proposal(path, ["seats", "nps"], ["red", "green"])
    said = str(caught.value)
    parts = ["Did you mean 'why'", "'lab' or 'fit'", "proposal.yaml:3: weights.seets", "Did you mean 'seats'"]
    parts += ["proposal.yaml:4: weights.nps", "proposal.yaml:6: scales.nps", "proposal.yaml:7: scales.seats.curve"]
    for part in [*parts, "Did you mean 'green'", "Did you mean 'bands'"]:
        assert part in said, part


def test_weights_must_sum_to_100(tmp_path: Path) -> None:
    path = tmp_path / "proposal.yaml"
    path.write_text(proposal_yaml(Proposal(ORIGIN, {"seats": 90})))
    with pytest.raises(ProposalError, match="weights summing to 90; they sum to 100"):
        read_proposal(path)


def test_scales_and_thresholds_change_and_nothing_else(tmp_path: Path) -> None:
    scales = {"seats": {"worst": 0.1, "best": 0.8}, "nps": {"worst": -20, "best": 45}}
    found = adopt(card(tmp_path), wanted(weights={"seats": 35, "nps": 10}, scales=scales, bands={"red": 0, "green": 62.5}))
    after = CARD.replace("weight: 20 ", "weight: 35 ").replace("worst: 0  ", "worst: 0.1  ").replace("from: 60 ", "from: 62.5 ")
    assert found.after == after.replace("{quantile: 0.1}", "-20").replace("{quantile: 0.9}", "45")
    assert found.changes == {"seats": (20, 35)}
    assert sorted(found.scales) == ["nps", "seats"]
    assert found.bands == {"green": (60, 62.5)}
    assert found.said() == "1 weight, 2 scales and 1 threshold"


def test_a_curve_takes_the_place_of_ends_and_of_steps_and_comments_stay(tmp_path: Path) -> None:
    curve = {"curve": {0: 0, 0.4: 60, 0.9: 100}}
    found = adopt(card(tmp_path), wanted(scales={"seats": curve, "nps": curve, "tickets": {"curve": {0: 100, 5: 0}}}))
    now = "worst: 0        # nobody\n    best: 0.8       # agreed"
    after = CARD.replace(now, "curve: {0: 0, 0.4: 60, 0.9: 100}        # nobody\n    # agreed")
    after = after.replace("worst: {quantile: 0.1}, best: {quantile: 0.9}", "curve: {0: 0, 0.4: 60, 0.9: 100}")
    steps = "    steps:          # counted\n      0: 100        # none\n      5: 0\n"
    assert found.after == after.replace(steps, "    curve: {0: 100, 5: 0}\n    # counted\n    # none\n")
    back = adopt(card(tmp_path, found.after), wanted(scales={"seats": {"worst": 0, "best": 1}, "nps": {"worst": 0, "best": 1}}))
    read = yaml.safe_load(back.after)["metrics"]
    assert (read["seats"], read["nps"]["best"]) == ({"group": "adoption", "weight": 20, "worst": 0, "best": 1}, 1)
    assert all(comment in back.after for comment in ("# ours", "# the seats", "# was 30", "# nobody", "# agreed with CS", "# one line"))


def test_a_curve_silences_the_ends_that_the_catalogue_says(tmp_path: Path) -> None:
    text = CARD.replace("  tickets:\n", "  tenure: {use: catalogue/tenure, group: support, weight: 3}\n  tickets:\n")
    found = adopt(card(tmp_path, text), wanted(scales={"tenure": {"curve": {0: 0, 9: 100}}}))
    read = yaml.safe_load(found.after)["metrics"]["tenure"]
    assert read["curve"] == {0: 0, 9: 100}
    assert {key for key, value in read.items() if value is None} <= {"worst", "best", "steps"}
    assert {key for key, value in read.items() if value is None}


def test_windows_line_ends_and_a_mark_of_byte_order_stay(tmp_path: Path) -> None:
    text = "\ufeff" + CARD.replace("\n", "\r\n")
    found = adopt(card(tmp_path, text), wanted(weights={"seats": 35}, scales={"tickets": {"curve": {0: 100, 5: 0}}}))
    assert found.after.startswith("\ufeff# ours\r\n")
    assert "\n" not in found.after.replace("\r\n", "")
    assert "weight: 35      # was 30\r\n" in found.after


def edited(text: str) -> str:
    edits = Edits(text)
    edits.put(("b" if "b: *m" in text else "a",), {"x": 5, "y": 3})
    return edits.result()


@pytest.mark.parametrize("text", ["a: {x: &n 1, y: 2}\nb: *n\n", "a: &m {x: 1}\nb: *m\n", "base: &b {x: 1}\na: {<<: *b, y: 2}\n"])
def test_what_an_anchor_shares_is_not_edited(text: str) -> None:
    with pytest.raises(EditError):
        edited(text)


def test_only_names_of_the_scorecard_are_adopted(tmp_path: Path) -> None:
    with pytest.raises(AdoptError) as caught:
        adopt(card(tmp_path), wanted(weights={"seat": 1}, bands={"gren": 2}))
    assert "Did you mean 'seats'" in str(caught.value)
    assert "Did you mean 'green'" in str(caught.value)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proposals") / "acme"
    make_demo(folder, accounts=30)
    return folder


@pytest.fixture
def company(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "acme"))


def propose(company: Path, **parts: dict) -> Path:
    inputs = load_tables(load_workspace(company)).report.to_dict("records")
    sha = hashlib.sha256((company / "scorecard.yaml").read_bytes()).hexdigest()
    origin = ORIGIN.model_copy(update={"scorecard_sha256": sha, "data_sha256": data_sha256(inputs)} | parts.pop("origin", {}))
    metrics = load_scorecard(company / "scorecard.yaml").weights
    even = {name: round(100 / len(metrics), 4) for name in metrics}
    even[next(iter(even))] = 100 - sum(list(even.values())[1:])
    path = company.parent / "proposal.yaml"
    path.write_text(proposal_yaml(Proposal(origin, parts.get("weights", even), parts.get("scales", {}), parts.get("bands", {}))))
    return path


def test_a_proposal_is_shown_with_what_it_does_then_written_and_undone(company: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, file = propose(company, bands={"green": 70}), company / "scorecard.yaml"
    before = file.read_bytes()
    assert cli.main(["adopt", str(path), str(company), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "+  - {name: green, from: 70" in said
    assert "accounts change band from the present scorecard to the proposed one" in said
    assert file.read_bytes() == before
    assert cli.main(["adopt", str(path), str(company), "--who", "Ana"]) == 0
    changed = file.read_bytes()
    assert load_scorecard(file).bands[-1].start == 70
    assert cli.main(["adopt", "--undo", str(company), "--who", "Ben"]) == 0
    assert file.read_bytes() == before
    first, second = read_adoptions(company)
    assert (first.who, first.why, second.who, second.sha256_after) == ("Ana", " ".join(ORIGIN.why.split()), "Ben", first.sha256_before)
    assert cli.main(["adopt", "--undo", str(company)]) == 0
    assert file.read_bytes() == changed


def test_undo_refuses_what_was_edited_since(company: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["adopt", "--undo", str(company)]) == 2
    assert "no change" in capsys.readouterr().err
    assert cli.main(["adopt", str(propose(company)), str(company), "--force"]) == 0
    file = company / "scorecard.yaml"
    file.write_text(file.read_text() + "# mine\n")
    assert cli.main(["adopt", "--undo", str(company)]) == 2
    assert "was edited since" in capsys.readouterr().err
    assert file.read_text().endswith("# mine\n")


@pytest.mark.parametrize(("origin", "says"), [({"scorecard_sha256": "c"}, "another scorecard"), ({"data_sha256": "c"}, "other data")])
def test_a_proposal_made_elsewhere_is_refused_unless_forced(
    origin: dict, says: str, company: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, file = propose(company, origin=origin), company / "scorecard.yaml"
    before = file.read_bytes()
    assert cli.main(["adopt", str(path), str(company)]) == 2
    assert says in capsys.readouterr().err
    assert (file.read_bytes(), (company / RECORD).exists()) == (before, False)
    assert cli.main(["adopt", str(path), str(company), "--force"]) == 0
    assert file.read_bytes() != before


def test_weights_outside_the_limits_are_refused(company: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = company / "scorecard.yaml"
    metrics = load_scorecard(file).metrics
    one = next(name for name, metric in metrics.items() if metric.group != "adoption")
    path = propose(company, weights={name: 100.0 * (name == one) for name in metrics})
    assert cli.main(["adopt", str(path), str(company)]) == 2
    assert "adoption would have 0 points of 100; `limits` allow 20 to 60" in capsys.readouterr().err


def test_a_scorecard_that_the_spec_refuses_is_never_written(company: Path) -> None:
    file = company / "scorecard.yaml"
    found = adopt(file, wanted(bands={"yellow": 95}))
    with pytest.raises(AdoptError) as caught:
        proven(company, found)
    assert "scorecard.yaml as proposed:" in str(caught.value)


def test_nobody_at_the_terminal_says_yes(company: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path, file = propose(company), company / "scorecard.yaml"
    before = file.read_bytes()
    for stream in (cli.sys.stdin, cli.sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    for answer in ("", "n", "yess"):
        monkeypatch.setattr("builtins.input", lambda asked, answer=answer: answer)
        assert cli.main(["adopt", str(path), str(company)]) == 0
        assert "nothing written" in capsys.readouterr().out
    assert file.read_bytes() == before
    monkeypatch.setattr("builtins.input", lambda asked: "Y")
    assert cli.main(["adopt", str(path), str(company)]) == 0
    assert "\x1b[32m+" in capsys.readouterr().out
    assert file.read_bytes() != before


def test_a_weights_csv_and_a_proposal_of_the_same_weights_write_the_same(tmp_path: Path) -> None:
    (tmp_path / "weights.csv").write_text("metric,recommended\nseats,35\nnps,10\ntickets,55\n")
    (tmp_path / "proposal.yaml").write_text(proposal_yaml(Proposal(ORIGIN, {"seats": 35, "nps": 10, "tickets": 55})))
    texts = {adopt_weights(card(tmp_path), tmp_path / name).after for name in ("weights.csv", "proposal.yaml")}
    assert len(texts) == 1


def test_limits_are_points_of_100_whatever_weights_sum_to(company: Path) -> None:
    found = load_scorecard(company / "scorecard.yaml")
    doubled = {name: metric.model_copy(update={"weight": metric.weight * 2}) for name, metric in found.metrics.items()}
    assert outside_limits(found) == outside_limits(found.model_copy(update={"metrics": doubled}))


def test_the_hash_of_data_is_that_of_the_inputs_in_order() -> None:
    inputs = [{"table": "accounts", "sha256": "1"}, {"table": "usage", "sha256": "2"}]
    assert data_sha256(inputs) == hashlib.sha256(b"accounts 1\nusage 2\n").hexdigest()
    assert data_sha256(inputs) != data_sha256([inputs[0], inputs[1] | {"sha256": "3"}])
