"""What a process tells Prometheus, read as Prometheus reads it; and calls for it to tell of."""

from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from client_caller.metering import Meter
from client_caller.records.flight import ActionEntry, EventEntry, FactEntry, FlightRecord, read_record

LABELS = frozenset({"direction", "outcome", "reason", "what", "engine", "place", "which", "kind", "message", "le"})
"""Every label that there is."""


@dataclass(frozen=True, slots=True)
class Told:
    """Figures by the name of their series; of each all labels with their values."""

    series: dict[str, list[tuple[dict[str, str], float]]]

    def value(self, name: str, **labels: str) -> float:
        """The sum of what has these labels."""
        return sum(value for told, value in self.series[name] if labels.items() <= told.items())

    def labels(self) -> dict[str, set[str]]:
        """All values of each label."""
        found: dict[str, set[str]] = {}
        for rows in self.series.values():
            for labels, _ in rows:
                for label, value in labels.items():
                    found.setdefault(label, set()).add(value)
        return found


def read(text: str) -> Told:
    series: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series.setdefault(sample.name, []).append((sample.labels, sample.value))
    return Told(series)


def told_by(meter: Meter) -> Told:
    """What this meter tells now; to be asked in the loop that it measures, if it watches a house."""
    return read(meter.exposition("")[0].decode())


def replayed(meter: Meter, path: Path) -> None:
    """Have the meter follow a record that is written once more."""
    record = FlightRecord(None, None)
    meter.follow(record)
    for entry in read_record(path)[1]:
        match entry:
            case EventEntry(t, event):
                record.event(t, event)
            case ActionEntry(t, action):
                record.action(t, action)
            case FactEntry(t, name, fields):
                record.fact(t, name, **fields)
