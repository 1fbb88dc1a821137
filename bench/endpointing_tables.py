"""The endpointing benchmark's results as tables.

In:   the result that is kept as JSON.     Out: the same, printed.
Rule: shares in per cent, times in milliseconds; nothing is computed here.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def show(result: Mapping[str, Any]) -> None:
    """Print everything but the cases and the sweep."""
    print(f"\n{result['machine']}; commit {result['commit']}; {result['takes']} takes, corpus: {result['corpus']}")
    _policies(result["table"])
    _long_silences(result["long silences"])
    _at_fixed(result["at fixed points"])
    _features(result["features, AUC"])
    print(f"\nlines: {result['lines']}\nspeculation: {result['speculation']}")


def _policies(rows: Sequence[Mapping[str, Any]]) -> None:
    print(f"\n{'natural silences':<30}{'group':>9}{'holds':>7}{'cut %':>7}{'turns %':>9}{'mid':>5}{'retr.':>6}", end="")
    print(f"{'mean ms':>9}{'p50':>6}{'p95':>6}{'never':>6}")
    for row in rows:
        print(
            f"{row['policy']:<30}{row['group']:>9}{row['holds']:>7}{100 * row['cut_share']:>7.1f}"
            f"{100 * row['cut_turns_share']:>9.1f}{row['mid_speech']:>5}{row['retracts']:>6}"
            + "".join(f"{1000 * row[f'latency_{name}_s']:>{width}.0f}" for name, width in _LATENCIES)
            + f"{row['never']:>6}"
        )


_LATENCIES = (("mean", 9), ("p50", 6), ("p95", 6))


def _long_silences(rows: Sequence[Mapping[str, Any]]) -> None:
    print(f"\n{'silences put in, cut within':<30}{'group':>9}{'words':>13}" + _pauses_header(rows))
    for row in rows:
        cut = "".join(f"{f'{cut} of {count}':>11}" for count, cut in row["silences and cut"].values())
        print(f"{row['policy']:<30}{row['group']:>9}{row['words']:>13}{cut}")


def _pauses_header(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"{pause:>11}" for pause in rows[0]["silences and cut"]) if rows else ""


def _at_fixed(points: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> None:
    print(f"\n{'curves':<30}{'half':>9}" + "".join(f"{name:>16}" for name in ("at 300 ms", "at 600 ms", "5 %", "10 %")))
    for half, policies in points.items():
        for policy, values in policies.items():
            cells = (_cell(values["cut at 0.3 s"], 100, " %"), _cell(values["cut at 0.6 s"], 100, " %"))
            times = (_cell(values["s at 5 %"], 1000, " ms"), _cell(values["s at 10 %"], 1000, " ms"))
            print(f"{policy:<30}{half:>9}" + "".join(f"{cell:>16}" for cell in (*cells, *times)))


def _cell(value: float | None, factor: float, unit: str) -> str:
    return "-" if value is None else f"{value * factor:.1f}{unit}"


def _features(features: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> None:
    print(f"\n{'feature, AUC of end against hold':<36}" + "".join(f"{half:>10}" for half in features) + f"{'n':>12}")
    for name, row in features["all"].items():
        values = "".join(f"{features[half][name]['auc'] or 0:>10.3f}" for half in features)
        print(f"{name:<36}{values}{row['ends']:>6}{row['holds']:>6}")


def show_sweep(rows: Sequence[Mapping[str, Any]]) -> None:
    """Cut-offs in natural silences, in silences after incomplete words, and mean wait; each of both halves."""
    print(f"\n{'number':<34}{'cut %, tuning / held out':>26}{'incomplete':>14}{'mean ms':>16}")
    for row in rows:
        one, other = row["tuning"], row["held-out"]
        print(
            f"{row['number']:<34}{f'{100 * one[0]:.1f} / {100 * other[0]:.1f}':>26}{f'{one[1]} / {other[1]}':>14}"
            f"{f'{1000 * one[2]:.0f} / {1000 * other[2]:.0f}':>16}"
        )


def show_cases(cases: Sequence[Mapping[str, Any]]) -> None:
    """One line for each silence in which the agent was heard, and for each late answer."""
    for case in cases:
        scores = f"sound {case['p_done']:<7} words {case['p_end'] or 0:<7}"
        print(
            f"{case['clip'][:34]:<35}{case['half']:>9}{case['line']:>10} {case['what']:<15}"
            f" at {case['at_s']:>6} age {case['age_s']:>5} {scores} {case['words'][-60:]}"
        )
