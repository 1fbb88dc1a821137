"""How the flow benchmark makes its sounds, tells a stop from a pause, and counts words."""

from pathlib import Path

import numpy as np
import pytest

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ, Samples
from client_caller.audio.levels import level_dbfs
from client_caller.audio.mulaw import decode, encode
from client_caller.conversation.actions import Remember, StartReply, Turn
from client_caller.conversation.events import LineResumed
from client_caller.records.flight import ActionEntry, Entry, EventEntry
from client_caller.rehearsal.clips import Clip
from client_caller.rehearsal.ear import audible
from client_caller.speaking.protocol import WordTime
from client_caller.speaking.tone import tone
from flow_agents import LONG, STORY, agent_file
from flow_barge_in import missing
from flow_caller import Cue, Echo, Ending, FlowCaller
from flow_false_stops import by_kind, interleaved
from flow_judging import Follower, Text, first_audible, silences, stopped_at
from flow_resume import keeps_history
from flow_sounds import click, cough, door, hum, louder, room_noise, trimmed, typing
from flow_truth import Played, one_call, played_words, shares
from flow_truth_voice import ends_at_word
from virtual import run

WORD_S = 0.2
PAUSE_AFTER = 10
"""The word after which the voice pauses of itself, for 0.3 s."""


def quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * LINE_HZ), np.float32)


def voice() -> tuple[Samples, list[WordTime]]:
    """Thirty words, each of another pitch; the pause counts to the word before it, as eSpeak counts it."""
    parts, words, at_s = [], [], 0.0
    for index in range(30):
        sound = tone(index * 7 % 31, WORD_S)
        if index == PAUSE_AFTER:
            sound = np.concatenate((sound, quiet(0.3)))
        parts.append(sound)
        words.append(WordTime(index, at_s, at_s + len(sound) / LINE_HZ))
        at_s = words[-1].end_s
    return np.concatenate(parts), words


SOUND, WORDS = voice()
TEXT = Text(SOUND, WORDS)
ONSET = 1.5


def judged(*parts: Samples):
    """The agent in a call that begins with half a second of silence; the caller's sound comes 1.5 s after that."""
    follower = Follower(TEXT, np.concatenate((quiet(0.5), *parts)))
    assert follower.place(0.5 + ONSET) == pytest.approx(ONSET, abs=0.02)
    return follower.judge(0.5 + ONSET, 0.5 + 4.5)


def said(from_s: float, to_s: float) -> Samples:
    return SOUND[round(from_s * LINE_HZ) : round(to_s * LINE_HZ)]


def test_a_voice_that_goes_through_has_not_stopped_although_it_pauses_of_itself():
    found = judged(said(0, 6))
    assert not found.is_stop
    assert not found.is_hesitation
    assert found.halts == ()


def test_a_short_silence_is_a_hesitation_and_a_word_may_be_said_again():
    found = judged(said(0, 1.7), quiet(0.25), said(1.6, 6))
    assert found.is_hesitation
    assert found.longest_s == pytest.approx(0.25, abs=0.02)
    assert (found.lost, found.goes_on, found.followed) == (0, True, True)
    assert found.repeated <= 1


def test_a_long_silence_is_a_stop_by_as_much_as_it_is_longer_than_the_voices_own():
    found = judged(said(0, 1.7), quiet(0.6), said(1.6, 6))
    assert found.is_stop
    assert found.longest_s == pytest.approx(0.6, abs=0.02)
    within_its_pause = judged(said(0, 2.3), quiet(0.3), said(2.3, 6))
    assert within_its_pause.longest_s == pytest.approx(0.3, abs=0.05)
    assert within_its_pause.is_hesitation


def test_words_left_out_or_said_from_the_start_again_are_a_stop_however_short_the_silence():
    skipped = judged(said(0, 1.6), quiet(0.2), said(2.0, 6))
    assert (skipped.lost, skipped.is_stop) == (2, True)
    again = judged(said(0, 1.6), quiet(0.2), said(0, 6))
    assert again.repeated == 8
    assert again.is_stop


def test_who_never_goes_on_or_says_something_else_has_stopped():
    assert not judged(said(0, 1.6), quiet(5)).goes_on
    other = np.concatenate([tone(index, 0.12) for index in (3, 50, 11, 42, 27, 8, 33, 19, 58, 1) * 3])
    found = judged(said(0, 1.6), quiet(0.2), other)
    assert not found.followed
    assert found.is_stop


def test_who_has_said_all_has_not_stopped():
    follower = Follower(TEXT, np.concatenate((SOUND, quiet(3))))
    at = TEXT.seconds - 1.0
    assert follower.place(at) == pytest.approx(at, abs=0.02)
    assert not follower.judge(at, at + 3).is_stop


def test_a_stop_begins_with_the_first_of_the_quiet_blocks():
    agent = np.array([True] * 50 + [False] * 10 + [True] * 10 + [False] * 40)
    assert stopped_at(agent, 0.2, 1.1) == pytest.approx(0.7)
    assert stopped_at(agent, 0.2, 0.5) is None
    assert first_audible(agent, 0.5, 1.1) == pytest.approx(0.6)
    assert silences(agent, 0.0, 1.1) == [pytest.approx((0.5, 0.6)), pytest.approx((0.7, 1.1))]


@pytest.mark.parametrize(
    ("maker", "dbfs"), [(cough, -18.0), (click, -24.0), (typing, -30.0), (door, -15.0), (hum, -26.0)]
)
def test_a_made_sound_is_the_same_every_time_and_as_loud_as_it_says(maker, dbfs):
    clip = maker(0)
    np.testing.assert_array_equal(clip.samples, maker(0).samples)
    assert not np.array_equal(clip.samples[:80], maker(1).samples[:80])
    frames = clip.samples[: len(clip.samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    assert max(map(level_dbfs, frames)) == pytest.approx(dbfs, abs=1.5)


def test_noise_has_its_level_and_a_trimmed_clip_begins_with_its_onset():
    assert level_dbfs(room_noise(-55.0)) == pytest.approx(-55.0, abs=0.1)
    clip = trimmed(cough(1))
    assert audible(clip.samples)[0]
    assert clip.speech_end_s == pytest.approx(len(clip.samples) / LINE_HZ)
    assert level_dbfs(louder(clip, -6.0).samples) == pytest.approx(level_dbfs(clip.samples) - 6.0, abs=0.01)


SAID = Clip("said", "stop", tone(0, 0.3), 0.0, 0.3)
SPEAKING, SILENT = encode(tone(5, FRAME_S)), encode(quiet(FRAME_S))


def play(caller: FlowCaller, agent: list[bytes]) -> list[bytes]:
    frames = []
    for heard in agent:
        if (frame := caller.next_frame(heard)) is None:
            break
        frames.append(frame)
    return frames


def test_a_cue_waits_for_the_agent_and_the_next_one_for_its_quiet():
    cues = [Cue(SAID, audible_s=0.1), Cue(SAID, quiet_s=0.2)]
    caller = FlowCaller(cues, noise_dbfs=-90.0, ending=Ending(audible_s=0.1))
    frames = play(caller, [SILENT] * 10 + [SPEAKING] * 30 + [SILENT] * 40 + [SPEAKING] * 40)
    assert caller.made[0].starts_at == pytest.approx(14 * FRAME_S)
    assert caller.made[1].starts_at == pytest.approx(49 * FRAME_S)
    begins = np.flatnonzero(audible(decode(b"".join(frames))))[0] / 100
    assert begins == pytest.approx(caller.made[0].starts_at)
    assert len(frames) == 84  # hung up when the agent had sounded for 0.1 s after that


def test_a_cue_for_an_agent_who_has_fallen_silent_ends_the_call():
    caller = FlowCaller([Cue(SAID, audible_s=1.0)], ending=Ending(quiet_s=0.5))
    assert len(play(caller, [SPEAKING] * 10 + [SILENT] * 100)) < 40
    assert caller.made == []


@pytest.mark.parametrize("delay_s", [0.1, 0.25])
def test_an_echo_is_what_was_heard_later_and_softer(delay_s):
    sound = np.concatenate((quiet(0.2), tone(9, 0.2), quiet(0.6)))
    caller = FlowCaller([], noise_dbfs=-90.0, echo=Echo(delay_s), ending=Ending(audible_s=9.0, quiet_s=9.0))
    slots = [encode(part) for part in sound.reshape(-1, FRAME_SAMPLES)]
    # What is played in one slot is told to the caller at the next.
    back = decode(b"".join(play(caller, [SILENT, *slots[:-1]])))
    late = round(delay_s * LINE_HZ)
    np.testing.assert_allclose(back[late:], 0.1 * sound[: len(back) - late], atol=0.002)


def test_words_are_counted_from_their_tones():
    sound = [tone(index % 60, WORD_S) for index in (0, 1, 2, 0, 0, 1)]
    assert played_words(np.concatenate(sound), WORD_S) == 6
    assert played_words(np.concatenate(sound)[: round(1.1 * LINE_HZ)], WORD_S) == 5
    assert played_words(np.concatenate((*sound[:2], quiet(0.04), *sound[2:])), WORD_S) == 6
    assert played_words(quiet(1.0), WORD_S) == 0


def test_the_spread_of_differences():
    cases = [Played("jitter", "answer", 1.0, 0.0, remembered, 10) for remembered in (10, 10, 9, 12)]
    assert shares(cases) == {"n": 4, "within_1_percent": 75.0, "largest": 2, "differences": {"-1": 1, "0": 2, "2": 1}}


def test_a_call_on_virtual_time_is_interrupted_and_counted(tmp_path: Path):
    found = run(one_call(1, tmp_path, "jitter"))
    assert found.of == "greeting"
    assert found.played > 2  # the greeting in part, then "All right."


def test_where_a_misheard_ending_stands_in_the_text():
    assert ends_at_word("a sheet of papers that explains each", LONG) == LONG.split().index("each") + 1
    assert ends_at_word("Hello, this is Anna,", LONG) == 4


def test_what_of_the_callers_words_is_missing():
    assert missing("Wait, are you open on Saturday?", "are you open on saturday") == ("wait",)
    assert missing("no no", "No.") == ("no",)


def test_history_after_a_loss_is_compared_word_by_word():
    before = Turn("caller", "how long"), Turn("agent", "two weeks", "line")

    def entries(*history: Turn) -> list[Entry]:
        remembered = [ActionEntry(1.0, Remember(turn)) for turn in before]
        return [*remembered, EventEntry(2.0, LineResumed()), ActionEntry(3.0, StartReply(4, history))]

    assert keeps_history(entries(before[0], Turn("agent", "two weeks sorry"), Turn("caller", "and")))
    assert not keeps_history(entries(before[0], Turn("agent", "two"), Turn("caller", "and")))
    assert not keeps_history(entries(before[0], Turn("agent", "two weeks"))[:-1])


def test_kinds_follow_each_other_behind_the_callers_own_voice():
    others = [("cough", cough(0))] * 2 + [("door", door(0))] * 2
    order = [kind for kind, _ in interleaved([("yeah", SAID), ("right", SAID)], others)]
    assert order == ["yeah", "cough", "door", "right", "cough", "door"]
    assert by_kind([])["all"]["n"] == 0


def test_the_agents_file_has_the_greeting_and_the_longer_answers():
    text = agent_file(LONG)
    assert f'greeting = "{LONG}"' in text
    assert all(f'agent = "{answer}"' in text for _, answer in STORY)
