"""Recordings that the carrier keeps of calls. No sound: what matters is that, how long, and who is told.

In:   orders to begin, pause, go on and stop.     Out: one `Recording` each.
Rule: instants are loop times, given as `now`.

Source: twilio.com/docs/voice/api/recording; a pause is left out when PauseBehavior is "skip", else it is silence.
"""

from dataclasses import dataclass
from typing import Final, Literal

from client_caller.twin.orders import RecordingOrder

RecordingStatus = Literal["in-progress", "paused", "stopped", "processing", "completed", "absent"]
RUNNING: Final = frozenset({"in-progress", "paused"})


@dataclass(slots=True)
class Recording:
    """One recording. started_at, stopped_at: loop times;  left_out_s: pauses that are not in it."""

    sid: str
    call_sid: str
    order: RecordingOrder
    started_at: float
    status: RecordingStatus = "in-progress"
    stopped_at: float | None = None
    left_out_s: float = 0.0
    paused_at: float | None = None
    skips: bool = False

    @property
    def is_running(self) -> bool:
        """Whether it may still grow."""
        return self.status in RUNNING

    @property
    def duration_s(self) -> int | None:
        """Whole seconds, once it is over."""
        return None if self.stopped_at is None else round(self.stopped_at - self.started_at - self.left_out_s)

    def pause(self, now: float, skips: bool) -> None:
        """Pause; the pause is left out, or silent."""
        if self.status == "in-progress":
            self.status, self.paused_at, self.skips = "paused", now, skips

    def go_on(self, now: float) -> None:
        """Record again."""
        if self.paused_at is not None and self.skips:
            self.left_out_s += now - self.paused_at
        self.status, self.paused_at = "in-progress", None

    def stop(self, now: float) -> None:
        """End it; it is complete at once."""
        self.go_on(now)
        self.status, self.stopped_at = "completed", now
