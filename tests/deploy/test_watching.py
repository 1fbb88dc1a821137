"""What operators watch with: dashboard, alarms and runbook speak of figures and of each other that there are."""

import ast
import asyncio
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from calls import AGENT
from client_caller.gauging import chain_families
from client_caller.house import House
from client_caller.ledger.ledger import open_ledger
from client_caller.metering import Meter
from client_caller.settings import Settings
from client_caller.speaking.csm import worker
from client_caller.sturdy import SturdyTranscriber
from metrics_text import Told, told_by

ROOT = Path(__file__).parents[2]
CSM = Path(worker.__file__).parent
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "client-caller.json").read_text(encoding="utf-8"))
ALARMS = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))
PROMETHEUS = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yaml").read_text(encoding="utf-8"))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")

RULES = [rule for group in ALARMS["groups"] for rule in group["rules"]]
NAMES = [rule["alert"] for rule in RULES]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

NAME = re.compile(r"\b(?:client_caller|csm|process)_\w+")
SELECTED = re.compile(r"\b((?:client_caller|csm|process)_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')
OF_PROMETHEUS = {"job", "instance"}
"""Labels that it adds by itself."""


def queries() -> list[str]:
    """Every query that is written anywhere."""
    asked = [target["expr"] for panel in PANELS for target in panel["targets"]]
    return [*asked, *(rule["expr"] for rule in RULES)]


class Idle:
    """A transcriber that is never asked."""

    async def transcribe(self, samples: Any) -> str:
        raise NotImplementedError


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All that a server tells that has one chain of engines."""

    async def main() -> Told:
        ledger = open_ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db")
        meter, house = Meter(), House(Settings(_env_file=None), AGENT)
        engines = SturdyTranscriber([Idle(), Idle()], 1.0)
        with meter.watching(house, ledger):
            found = told_by(meter)
        del engines
        await ledger.close()
        return found

    return asyncio.run(main())


@cache
def csm_figures() -> set[str]:
    """The names of the figures that the engine of CSM tells, out of its source."""
    constants = {
        node.value
        for name in ("engine.py", "worker.py")
        for node in ast.walk(ast.parse((CSM / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {f"csm_{constant}" for constant in constants if re.fullmatch(r"\w+", constant)}


@pytest.mark.parametrize("query", queries())
def test_a_query_asks_for_figures_that_there_are(query: str, told: Told) -> None:
    asked = set(NAME.findall(query))
    assert asked or query.startswith("up{")
    assert asked <= set(told.series) | csm_figures()
    assert query.count("(") == query.count(")")
    assert query.count("{") == query.count("}")


def series_matched(query: str, told: Told) -> Iterator[tuple[str, str, str, set[str]]]:
    """Of each matcher of a query: the figure, the label, what is to match, the values that the label has."""
    for name, matchers in SELECTED.findall(query):
        for label, _, wanted in MATCHER.findall(matchers):
            if label not in OF_PROMETHEUS:
                yield name, label, wanted, {labels[label] for labels, _ in told.series[name]}


@pytest.mark.parametrize("query", [query for query in queries() if SELECTED.search(query)])
def test_a_query_chooses_by_values_that_labels_have(query: str, told: Told) -> None:
    for name, label, wanted, values in series_matched(query, told):
        assert set(wanted.split("|")) <= values, f"{name}, {label}"


@pytest.mark.parametrize("query", queries())
def test_a_query_groups_by_labels_that_its_figures_have(query: str, told: Told) -> None:
    has = {label for name in NAME.findall(query) for labels, _ in told.series.get(name, []) for label in labels}
    for grouped in re.findall(r"\bby \(([^)]*)\)", query):
        assert set(re.split(r",\s*", grouped)) <= has | OF_PROMETHEUS


@pytest.mark.parametrize("query", queries())
def test_counts_are_asked_for_as_rises_and_gauges_are_not(query: str) -> None:
    for count in re.findall(r"\b\w+_(?:total|bucket|count)\b", query):
        assert re.search(rf"(?:rate|increase)\({count}\b", query), count
    for rise in re.findall(r"(?:rate|increase)\((\w+)", query):
        assert rise.endswith(("_total", "_bucket", "_count")) or rise.startswith("csm_"), rise


def test_the_dashboard_has_whole_panels() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids) > 20
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"]
        assert panel["targets"]
        assert panel["datasource"]["uid"] == "${datasource}"
    places = [(p["gridPos"]["y"], p["gridPos"]["x"] + p["gridPos"]["w"]) for p in DASHBOARD["panels"]]
    assert max(right for _, right in places) == 24


def test_the_dashboard_shows_every_stage_of_an_answer(told: Told) -> None:
    shown = {name for panel in PANELS for target in panel["targets"] for name in NAME.findall(target["expr"])}
    histograms = {name for name in told.series if name.endswith("_seconds_bucket")}
    assert len(histograms) == 7
    assert histograms <= shown


def test_every_alarm_has_its_section_and_every_section_its_alarm() -> None:
    alarms = RUNBOOK.split("\n### Alarms\n")[1].split("\n## ")[0]
    sections = re.findall(r"^#### (\w+)\n\n\*[^*]+\*", alarms, re.MULTILINE)
    assert sections == re.findall(r"^#### (.+)$", alarms, re.MULTILINE)  # each opens with what it means
    assert sorted(sections) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_an_alarm_says_how_grave_it_is_what_has_happened_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_an_alarm_names_only_labels_that_are_left(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    grouped = {label for labels in re.findall(r"\bby \(([^)]*)\)", rule["expr"]) for label in re.split(r",\s*", labels)}
    assert named <= (grouped or OF_PROMETHEUS)


def test_alarms_and_prometheus_mean_the_same_jobs() -> None:
    jobs = {job["job_name"] for job in PROMETHEUS["scrape_configs"]}
    asked = set(re.findall(r'job="([^"]+)"', " ".join(queries())))
    assert asked == {"client-caller", "csm"}
    assert asked <= jobs
    assert PROMETHEUS["rule_files"] == ["alerts.yaml"]


def test_the_runbook_explains_figures_that_there_are(told: Told) -> None:
    table = RUNBOOK.split("\n## Watching it\n")[1].split("\n### Alarms\n")[0]
    rows = [row for row in table.splitlines() if row.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([a-z]\w+_\w+)`", row.split("|")[1])]
    assert len(named) > 15
    families = {name.removesuffix("_bucket") for name in told.series}
    assert [name for name in named if f"client_caller_{name}" not in families] == []


def test_families_without_engines_have_their_names_all_the_same() -> None:
    assert [family.name for family in chain_families([])] == [
        *("client_caller_engine_jobs", "client_caller_engine_failures"),
        *("client_caller_engine_rests", "client_caller_engine_in_use"),
    ]
