"""The policies ours is compared with: silence alone, and Smart Turn as it is shipped and at its best.

In:   what the ears made of a take.     Out: the instants at which the policy lets the agent speak.
Rule: pure. No policy is charged for computing, theirs neither: only the silence that it chooses to wait.
"""

from dataclasses import dataclass
from itertools import product
from typing import Final

from endpointing_records import Fire, Heard, silences

VAD_WAITS_S: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0)


@dataclass(frozen=True, slots=True)
class VadOnly:
    """Fires after `wait_s` of silence."""

    wait_s: float

    def fires(self, heard: Heard) -> list[Fire]:
        """One for each silence that lasts as long."""
        return [Fire(start + self.wait_s) for start, end in silences(heard.probabilities) if end > start + self.wait_s]


@dataclass(frozen=True, slots=True)
class SmartTurnOnce:
    """Asks Smart Turn once, after `ask_s` of silence: fires at once above `threshold`, else after `timeout_s`."""

    threshold: float
    ask_s: float
    timeout_s: float

    def fires(self, heard: Heard) -> list[Fire]:
        """One for each silence that lasts as long as the wait that Smart Turn's answer leads to."""
        fires = []
        for start, end in silences(heard.probabilities):
            if end <= start + self.ask_s:
                continue
            sure = heard.p_done(start + self.ask_s) > self.threshold
            wait_s = self.ask_s if sure else self.timeout_s
            if end > start + wait_s:
                fires.append(Fire(start + wait_s))
        return fires


PIPECAT: Final = SmartTurnOnce(threshold=0.5, ask_s=0.2, timeout_s=3.0)
"""As Pipecat ships it. Source: Pipecat 1.14.0, VADParams.stop_secs, SmartTurnParams.stop_secs, and the threshold in
LocalSmartTurnAnalyzerV3."""

SMART_TURN_SWEEP: Final = tuple(
    SmartTurnOnce(threshold, ask_s, timeout_s)
    for threshold, ask_s, timeout_s in product(
        (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.97), (0.2, 0.3, 0.5, 1.0), (1.0, 1.5, 2.0, 3.0)
    )
)
"""The axes over which LiveKit's eot-bench sweeps a turn model: threshold, delay, timeout."""
