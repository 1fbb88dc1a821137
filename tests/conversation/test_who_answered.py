"""Who has answered: calls as they were heard, and what is found of them, and when."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.answer_words import Said, said_by
from client_caller.conversation.dictation import bare
from client_caller.conversation.english import ENGLISH
from client_caller.conversation.who_answered import Answerer, Vote, WhoAnswered

HUMAN, SCREENING, VOICEMAIL = Answerer.HUMAN, Answerer.SCREENING, Answerer.VOICEMAIL
MENU, FAX, NOBODY = Answerer.MENU, Answerer.FAX, Answerer.NOBODY

WORDS_AFTER_S = 0.25
"""So long after a pause its words are there; the pause itself is noticed after 0.1 s."""


@dataclass(frozen=True)
class Says:
    """They speak from `at` on. interim: what is known of it while they speak; lost: no words come of it."""

    at: float
    seconds: float
    text: str = ""
    interim: str = ""

    def happen(self, who: WhoAnswered) -> list[tuple[float, Callable[[float], None]]]:
        end = self.at + self.seconds
        happened: list[tuple[float, Callable[[float], None]]] = [
            (self.at + 0.1, lambda now: who.speech_started(self.at)),
            (end + 0.1, lambda now: who.speech_paused(end, self.seconds)),
            (end + WORDS_AFTER_S, lambda now: who.words(self.text, now)),
        ]
        if self.interim:
            happened.append((self.at + 0.8 * self.seconds, lambda now: who.words(self.interim, now)))
        return happened


@dataclass(frozen=True)
class Beeps:
    """A beep that ends at `at`, noticed a little later."""

    at: float

    def happen(self, who: WhoAnswered) -> list[tuple[float, Callable[[float], None]]]:
        return [(self.at + 0.12, lambda now: who.beep(self.at))]


@dataclass(frozen=True)
class FaxTone:
    at: float

    def happen(self, who: WhoAnswered) -> list[tuple[float, Callable[[float], None]]]:
        return [(self.at, who.fax)]


@dataclass(frozen=True)
class Carrier:
    at: float
    says: Vote

    def happen(self, who: WhoAnswered) -> list[tuple[float, Callable[[float], None]]]:
        return [(self.at, lambda now: who.carrier_says(self.says, now))]


@dataclass(frozen=True)
class WeSpeak:
    at: float

    def happen(self, who: WhoAnswered) -> list[tuple[float, Callable[[float], None]]]:
        return [(self.at, who.we_spoke)]


Step = Says | Beeps | FaxTone | Carrier | WeSpeak


@dataclass
class Course:
    """All verdicts of a call with the instants at which they were there, and when we were to speak."""

    who: WhoAnswered
    found: list[tuple[Answerer, float]]
    due: list[float]

    @property
    def last(self) -> Answerer | None:
        return self.found[-1][0] if self.found else None


def play(*steps: Step, until: float = 40.0, obey: bool = True) -> Course:
    """Let a call happen. obey: we speak when that is due."""
    who = WhoAnswered(ENGLISH)
    course = Course(who, [], [])
    happening = sorted([event for step in steps for event in step.happen(who)], key=lambda event: event[0])

    def note(now: float) -> None:
        if who.verdict and (not course.found or course.found[-1][0] is not who.verdict.who):
            course.found.append((who.verdict.who, now))
        if obey and who.due(now):
            course.due.append(now)
            who.we_spoke(now)

    def sleep_until(then: float, now: float) -> None:
        for _ in range(100):
            if who.deadline is None or who.deadline > then:
                return
            now = max(now, who.deadline)
            who.on_deadline(now)
            note(now)
        raise AssertionError("the deadline does not move on")

    last = 0.0
    for at, event in happening:
        sleep_until(at, last)
        event(at)
        note(at)
        last = at
    sleep_until(until, last)
    return course


HUMANS: dict[str, list[Step]] = {
    "hello": [Says(0.8, 0.4, "Hello?")],
    "hi": [Says(1.0, 0.3, "Hi.")],
    "yes": [Says(1.0, 0.3, "Yes?")],
    "hello hello": [Says(0.5, 0.9, "Hello? Hello?")],
    "good morning": [Says(0.7, 0.6, "Good morning.")],
    "who is this": [Says(0.7, 0.8, "Who is this?")],
    "speaking": [Says(0.7, 1.2, "This is he speaking.")],
    "a name": [Says(0.6, 0.7, "Jones.")],
    "a name and more": [Says(0.6, 1.4, "Jones residence, Mary here.")],
    "words lost": [Says(0.6, 0.5, "")],
    "words lost, twice": [Says(0.6, 0.5, ""), Says(2.0, 0.6, "")],
    "hello, misheard": [Says(0.6, 0.5, "Yellow.")],
    "at work": [Says(0.6, 3.6, "Good morning, Smith and Sons, Jane speaking, how can I help you?")],
    "at work, by halves": [Says(0.6, 1.6, "Smith and Sons."), Says(2.5, 1.2, "Smith and Sons. How can I help?")],
    "at work, reached": [Says(0.6, 3.9, "You've reached Smith and Sons, this is Jane speaking, how may I help you?")],
    "at work, long": [
        Says(
            0.6,
            5.4,
            "Good afternoon and thank you for calling the Hotel Miramar on the beach, my name is Carlos, "
            "how may I help you today?",
            interim="Good afternoon and thank you for calling the Hotel Miramar on the beach, my name is",
        )
    ],
    "at work, words lost": [Says(0.6, 3.8, "")],
    "who waits for us": [Says(5.2, 0.5, "Hello?")],
    "who answers to our hello": [Says(6.0, 1.5, "Yes, this is Mike.")],
    "who answers to our hello at length": [
        Says(6.5, 6.0, "Oh yes I was expecting that you would phone about the boat.")
    ],
    "hello, carrier says machine later": [Says(0.8, 0.4, "Hello?"), Carrier(3.0, "machine")],
    "hello, carrier said machine before": [Carrier(0.3, "machine"), Says(0.8, 0.4, "Hello?")],
    "hello, carrier says machine done": [Says(0.8, 0.4, "Hello?"), Carrier(6.0, "machine done")],
    "hello, carrier says fax": [Says(0.8, 0.4, "Hello?"), Carrier(4.0, "fax")],
    "words lost, carrier says human": [Says(0.6, 4.0, ""), Carrier(5.0, "human")],
    "nothing heard, carrier says human": [Carrier(2.0, "human")],
    "she is not here, in answer to us": [
        Says(0.8, 0.4, "Hello?"),
        Says(6.0, 1.8, "Hello? He is not available at the moment."),
    ],
    "she is not here, words by turns": [
        Says(0.8, 0.4, "Hello?"),
        Says(6.0, 2.5, "I'm sorry, she can't come to the phone right now."),
    ],
    "offers to take a message": [
        Says(0.8, 0.4, "Hello?"),
        Says(6.0, 3.0, "She's not in. Would you like to leave a message?"),
    ],
    "offers to take a message with her": [
        Says(0.8, 0.4, "Hello?"),
        Says(6.0, 3.0, "No, but you can leave a message with me."),
    ],
    "asks who is calling, in answer to us": [
        Says(0.8, 0.4, "Hello?"),
        Says(6.0, 3.0, "May I ask who's calling and what the reason for your call is?"),
    ],
    "a beep at the very beginning": [Beeps(0.4), Says(0.9, 0.5, "Hello?")],
    "a beep of a recorded line later": [Says(0.8, 0.4, "Hello?"), Beeps(8.0)],
    "unknown verdict of the carrier": [Says(0.8, 0.4, "Hello?"), Carrier(4.0, "unknown")],
}

LEAVE = "You've reached Bob. Please leave a message after the tone."
MACHINES: dict[str, tuple[Answerer, list[Step]]] = {
    "personal": (VOICEMAIL, [Says(0.8, 5.0, LEAVE, interim="You've reached Bob. Please leave a message"), Beeps(6.8)]),
    "personal, no beep": (VOICEMAIL, [Says(0.8, 5.0, LEAVE)]),
    "short": (VOICEMAIL, [Says(0.8, 2.0, "Hi, this is Bob. Leave a message."), Beeps(3.6)]),
    "by halves": (VOICEMAIL, [Says(0.8, 0.4, "Hi."), Says(1.6, 3.0, "Hi. You've reached Bob. Leave me a message.")]),
    "like a human first": (
        VOICEMAIL,
        [Says(0.8, 0.4, "Hello?"), Says(1.9, 4.0, "Hello? I can't take your call right now. At the beep, you know.")],
    ),
    "only a name": (VOICEMAIL, [Says(0.8, 1.5, "You've reached Bob Miller."), Beeps(3.0)]),
    "only a name, and the beep late": (VOICEMAIL, [Says(0.8, 1.5, "You've reached Bob Miller."), Beeps(6.0)]),
    "can't come to the phone": (VOICEMAIL, [Says(0.8, 3.0, "Sorry, I can't come to the phone right now.")]),
    "carrier's own": (
        VOICEMAIL,
        [Says(0.8, 7.0, "Your call has been forwarded to an automated voice messaging system.", "Your call has been")],
    ),
    "carrier's own, number read": (
        VOICEMAIL,
        [
            Says(0.8, 6.0, "The person at 5 5 5 1 2 3 4 is not available.", interim="The person at 5 5 5"),
            Says(7.2, 2.4, "At the tone, please record your message."),
        ],
    ),
    "google voice": (
        VOICEMAIL,
        [Says(0.8, 4.0, "The Google subscriber you have called is not available. Please leave")],
    ),
    "with a menu": (
        VOICEMAIL,
        [Says(0.8, 6.0, "Record your message after the tone. When you are finished, hang up or press 1 for options.")],
    ),
    "british": (
        VOICEMAIL,
        [Says(0.8, 5.0, "Welcome to the O2 messaging service. The person you are calling is unable")],
    ),
    "wants name and reason": (
        VOICEMAIL,
        [Says(0.8, 7.0, "Please leave your name, number and the reason for your call and we'll get back to you.")],
    ),
    "words lost": (VOICEMAIL, [Says(0.8, 9.0, "")]),
    "words lost, short, carrier says so": (VOICEMAIL, [Says(0.8, 2.4, ""), Carrier(3.4, "machine")]),
    "words lost, carrier says it is done": (VOICEMAIL, [Says(0.8, 2.4, ""), Carrier(4.2, "machine done")]),
    "words lost, beep": (VOICEMAIL, [Says(0.8, 3.2, ""), Beeps(4.3)]),
    "only a beep": (VOICEMAIL, [Beeps(2.0)]),
    "unknown words, long": (VOICEMAIL, [Says(0.8, 9.5, "Roses are red and so on", interim="Roses are red")]),
    "carrier says human": (VOICEMAIL, [Carrier(2.0, "human"), Says(0.8, 5.0, LEAVE, interim="You've reached Bob")]),
    "carrier says human afterwards": (VOICEMAIL, [Says(0.8, 5.0, LEAVE), Carrier(7.0, "human")]),
    "misheard": (VOICEMAIL, [Says(0.8, 5.0, "We can not take you call, leave you message after the beep")]),
    "google screens": (
        SCREENING,
        [
            Says(
                0.8,
                6.0,
                "Hi, the person you're calling is using a screening service from Google and will get a copy of this "
                "conversation. Go ahead and say your name and why you're calling.",
                interim="Hi, the person you're calling is using a screening",
            )
        ],
    ),
    "ios screens": (
        SCREENING,
        [
            Says(
                0.8,
                5.0,
                "Hi, if you record your name and reason for calling, I'll see if this person is available.",
                interim="Hi, if you record your name",
            )
        ],
    ),
    "google voice screens": (
        SCREENING,
        [Says(0.8, 5.0, "Please state your name after the tone and Google Voice will try to connect you.")],
    ),
    "a robot asks": (SCREENING, [Says(0.8, 4.0, "May I ask who's calling and what this is about?")]),
    "screened, then hold": (
        SCREENING,
        [
            Says(0.8, 4.0, "Please say your name and the reason for your call."),
            Says(9.0, 2.0, "Thank you. Please hold while I try to connect you."),
        ],
    ),
    "screened in vain": (
        VOICEMAIL,
        [
            Says(0.8, 4.0, "Please say your name and the reason for your call."),
            Says(14.0, 4.0, "The person is not available. Please leave a message after the beep."),
        ],
    ),
    "a menu": (MENU, [Says(0.8, 6.0, "Thank you for calling Acme. For sales, press 1. Else 2.", "Thank you for")]),
    "a menu, spelled": (MENU, [Says(0.8, 6.0, "Thanks for calling. For billing, press one.", interim="Thanks for")]),
    "a menu in two languages": (MENU, [Says(0.8, 3.0, "Para español, oprima el dos.")]),
    "a menu that has changed": (MENU, [Says(0.8, 4.0, "Please listen carefully as our menu options have changed.")]),
    "a menu after a greeting": (
        MENU,
        [Says(0.8, 1.8, "Welcome to Acme."), Says(3.6, 3.0, "Welcome to Acme. If you know your party's extension")],
    ),
    "fax tone": (FAX, [FaxTone(2.5)]),
    "fax by the carrier": (FAX, [Carrier(4.0, "fax")]),
    "nobody": (NOBODY, []),
}


@pytest.mark.parametrize("steps", HUMANS.values(), ids=HUMANS)
def test_a_human_is_found_and_stays_one(steps: list[Step]) -> None:
    course = play(*steps)
    assert [who for who, _ in course.found] == [HUMAN]


@pytest.mark.parametrize(("expected", "steps"), MACHINES.values(), ids=MACHINES)
def test_what_is_no_human_is_found_in_the_end(expected: Answerer, steps: list[Step]) -> None:
    assert play(*steps).last is expected


@pytest.mark.parametrize(
    ("name", "within_s"),
    [("hello", 0.3), ("who is this", 0.3), ("hello, misheard", 0.8), ("words lost", 0.5), ("at work", 0.5)],
)
def test_a_human_is_found_at_the_pause(name: str, within_s: float) -> None:
    steps = HUMANS[name]
    first = steps[0]
    assert isinstance(first, Says)
    course = play(*steps)
    assert course.found[0][1] - (first.at + first.seconds) <= within_s + 1e-9
    assert course.due[0] == course.found[0][1]  # and is talked to at once


def test_words_that_come_late_do_not_hold_up_the_verdict() -> None:
    who = WhoAnswered(ENGLISH)
    who.speech_started(1.0)
    who.speech_paused(1.4, 0.4)
    assert who.deadline == pytest.approx(1.9)
    who.on_deadline(1.9)
    assert who.verdict is not None
    assert (who.verdict.who, who.verdict.by) == (HUMAN, "length")


def test_a_greeting_is_known_while_it_still_plays() -> None:
    course = play(*MACHINES["personal"][1])
    assert course.found == [(VOICEMAIL, pytest.approx(4.8))]


# When we are to speak.


def test_the_message_is_left_after_the_beep() -> None:
    course = play(Says(0.8, 5.0, LEAVE), Beeps(8.5))
    assert course.due == [pytest.approx(8.8)]


def test_without_a_beep_it_is_left_when_the_greeting_has_been_over_for_a_while() -> None:
    course = play(Says(0.8, 3.0, "Sorry, I can't come to the phone right now. Leave a message."))
    assert course.due == [pytest.approx(3.8 + 2.0)]


def test_a_beep_that_was_promised_is_waited_for_longer() -> None:
    assert play(Says(0.8, 5.0, LEAVE)).due == [pytest.approx(5.8 + 4.0)]


def test_a_beep_that_comes_late_has_the_message_said_again() -> None:
    course = play(Says(0.8, 3.0, "I can't come to the phone. Leave a message."), Beeps(7.0))
    assert course.due == [pytest.approx(5.8), pytest.approx(7.3, abs=0.01)]


def test_a_greeting_in_several_parts_is_waited_out() -> None:
    course = play(
        Says(0.8, 3.0, "I can't come to the phone right now."),
        Says(5.0, 3.0, "I can't come to the phone right now. Leave a message and I'll call you back."),
    )
    assert course.due == [pytest.approx(8.0 + 2.0)]


def test_the_carrier_may_say_that_the_greeting_is_over() -> None:
    assert play(Says(0.8, 5.0, LEAVE), Carrier(6.4, "machine done")).due == [pytest.approx(6.7)]


def test_a_beep_that_sounds_like_a_voice_is_a_beep() -> None:
    course = play(Says(0.8, 5.0, LEAVE), Says(7.0, 0.45, LEAVE), Beeps(7.4))
    assert course.due == [pytest.approx(7.7)]


@pytest.mark.parametrize(
    "greeting",
    [
        "The mailbox is full and cannot accept any messages at this time. Goodbye.",
        "I'm sorry, but the person you called has a voicemail box that has not been set up yet.",
        "The number you have dialed is not in service.",
        "Your call cannot be completed as dialed. Please check the number and dial again.",
        "You've reached Bob. Please leave a message after the tone. The mailbox is full.",
    ],
)
def test_no_message_is_left_where_none_is_taken(greeting: str) -> None:
    course = play(Says(0.8, 4.0, greeting))
    assert course.last is VOICEMAIL
    assert course.who.verdict is not None
    assert not course.who.verdict.takes_message
    assert course.due == []


def test_an_assistant_is_told_who_calls_when_it_has_finished() -> None:
    assert play(*MACHINES["ios screens"][1]).due == [pytest.approx(6.3)]


def test_an_assistant_that_beeps_is_told_after_the_beep() -> None:
    assert play(*MACHINES["google voice screens"][1], Beeps(6.1)).due[0] == pytest.approx(6.4)


def test_an_assistant_that_asks_again_is_told_again_and_one_that_connects_is_not() -> None:
    asks = Says(0.8, 4.0, "Please say your name and the reason for your call.")
    assert len(play(asks, Says(9.0, 3.0, "Sorry, please repeat your name and why you're calling.")).due) == 2
    assert len(play(*MACHINES["screened, then hold"][1]).due) == 1


def test_nothing_is_said_to_a_menu_or_a_fax() -> None:
    assert play(*MACHINES["a menu"][1]).due == []
    assert play(*MACHINES["fax tone"][1]).due == []


def test_into_a_long_silence_we_speak_first_and_once() -> None:
    course = play()
    assert course.due == [pytest.approx(4.0)]
    assert course.found == [(NOBODY, pytest.approx(10.0))]


def test_who_answers_to_our_hello_is_not_told_it_again() -> None:
    assert play(*HUMANS["who answers to our hello"]).due == [pytest.approx(4.0)]


def test_somebody_may_come_after_all() -> None:
    assert play(Says(12.0, 0.5, "Hello?")).found == [(NOBODY, 10.0), (HUMAN, pytest.approx(12.8))]


# Corrections.


def test_a_machine_that_says_hello_in_its_message_is_a_human() -> None:
    course = play(Says(0.8, 9.0, ""), Says(13.0, 0.6, "Hello? Who is this?"))
    assert [who for who, _ in course.found] == [VOICEMAIL, HUMAN]
    assert course.due[-1] == course.found[-1][1]


def test_who_picks_up_while_the_message_is_spoken_is_a_human() -> None:
    hello = Says(9.0, 0.9, f"{LEAVE} Hello? I'm here.")
    course = play(Says(0.8, 5.0, LEAVE), Beeps(6.6), hello)
    assert [who for who, _ in course.found] == [VOICEMAIL, HUMAN]


@pytest.mark.parametrize(
    "text", ["Yes, I'm here.", "Don't hang up, I'm here.", "Hang on a second.", "Hi, who is this?"]
)
def test_who_calls_back_at_us_is_a_human(text: str) -> None:
    assert play(Says(0.8, 5.0, LEAVE), Beeps(6.6), Says(9.0, 1.2, text)).last is HUMAN


def test_the_person_behind_an_assistant_is_found() -> None:
    course = play(*MACHINES["ios screens"][1], Says(12.0, 0.6, "Hello?"))
    assert [who for who, _ in course.found] == [SCREENING, HUMAN]


def test_the_clerk_behind_a_menu_is_found() -> None:
    course = play(*MACHINES["a menu"][1], Says(25.0, 2.5, "Sales, Mike speaking, how can I help you?"))
    assert [who for who, _ in course.found] == [MENU, HUMAN]


def test_the_end_of_a_greeting_is_nobody_calling_back() -> None:
    course = play(Says(0.8, 5.0, LEAVE), Says(6.0, 0.4, f"{LEAVE} Okay."), Beeps(7.0))
    assert [who for who, _ in course.found] == [VOICEMAIL]


def test_words_correct_a_carrier_and_a_length_that_took_a_clerk_for_a_machine() -> None:
    clerk = Says(0.6, 3.6, "Smith and Sons, Jane speaking, how can I help?", interim="Smith and Sons")
    assert [who for who, _ in play(clerk, Carrier(2.8, "machine")).found] == [VOICEMAIL, HUMAN]
    long = Says(0.6, 7.5, "Welcome to the long story of the house of Smith and Sons. How can I help?")
    assert [who for who, _ in play(long).found] == [VOICEMAIL, HUMAN]


def test_a_human_by_mistake_becomes_a_machine_by_strong_words_whenever_they_come() -> None:
    course = play(Says(0.8, 0.6, ""), Says(9.0, 3.0, "Please leave your message after the tone."), Beeps(13.0))
    assert [who for who, _ in course.found] == [HUMAN, VOICEMAIL]
    assert course.due[-1] == pytest.approx(13.3)


def test_words_that_are_read_anew_when_more_has_been_said_count() -> None:
    course = play(
        Says(0.8, 0.4, "Hello."),
        Says(3.3, 0.7, "Hello, this is Bob. Lead me a message."),
        Says(4.3, 0.9, "Hello, this is Bob. Leave me a message and I'll call."),
    )
    assert course.last is VOICEMAIL


def test_a_beep_tells_a_machine_where_no_words_come_at_all() -> None:
    course = play(Says(0.8, 1.5, ""), Says(4.5, 1.5, ""), Beeps(7.0))
    assert [who for who, _ in course.found] == [HUMAN, VOICEMAIL]
    assert course.due[-1] == pytest.approx(7.3)


def test_what_was_a_machine_and_is_a_human_stays_one_while_they_talk() -> None:
    course = play(
        Says(0.8, 5.0, LEAVE),
        Says(9.5, 0.5, f"{LEAVE} Hello?"),
        Says(12.0, 2.0, f"{LEAVE} Hello? Yes I would like to know more."),
    )
    assert [who for who, _ in course.found] == [VOICEMAIL, HUMAN]


def test_the_carrier_corrects_a_verdict_by_length_and_none_by_words() -> None:
    assert play(Says(0.8, 0.6, ""), Carrier(2.2, "machine"), obey=False).last is VOICEMAIL
    assert play(Says(0.8, 0.6, "Hello?"), Carrier(2.2, "machine"), obey=False).last is HUMAN
    assert play(Says(0.8, 9.0, ""), Carrier(10.0, "human"), obey=False).last is HUMAN
    assert play(Says(0.8, 5.0, LEAVE), Carrier(10.0, "human"), obey=False).last is VOICEMAIL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", Said.NOTHING),
        ("Bananas and apples", Said.UNKNOWN),
        ("Please say your name and why you are calling", Said.SCREENING),
        ("The mail box is full", Said.NO_MESSAGES),
        ("leave a brief message", Said.VOICEMAIL),
        ("can I take a message", Said.RECEPTION),
        ("press 2", Said.MENU),
        ("Mr Jones is not available", Said.UNAVAILABLE),
        ("you have reached 5 5 5", Said.REACHED),
        ("how may I direct your call", Said.RECEPTION),
        ("Yes, hello?", Said.HELLO),
    ],
)
def test_words_tell_who_says_them(text: str, said: Said) -> None:
    assert said_by(bare(text), ENGLISH.answering) is said


# Whatever happens.

INSTANTS = st.floats(0.0, 25.0)
TEXTS = st.sampled_from(
    ["", "hello", LEAVE, "press 1", "roses are red", "please hold", "the mailbox is full", "say your name"]
)
VOTES: st.SearchStrategy[Vote] = st.sampled_from(["human", "machine", "machine done", "fax", "unknown"])
STEPS = st.one_of(
    st.builds(Says, INSTANTS, st.floats(0.05, 9.0), TEXTS, TEXTS),
    st.builds(Beeps, INSTANTS),
    st.builds(FaxTone, INSTANTS),
    st.builds(Carrier, INSTANTS, VOTES),
    st.builds(WeSpeak, INSTANTS),
)


@given(st.lists(STEPS, max_size=8), st.booleans())
def test_there_is_always_a_verdict_in_time(steps: list[Step], obey: bool) -> None:
    course = play(*steps, obey=obey)
    assert course.found
    assert course.found[0][1] <= 10.0 + 12.0 + 1.5


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["start", "pause", "words", "beep", "fax", "carrier", "spoke", "due"]),
            INSTANTS,
            TEXTS,
            VOTES,
        )
    )
)
def test_no_order_of_events_raises(events: list[tuple[str, float, str, Vote]]) -> None:
    who = WhoAnswered(ENGLISH)
    for kind, at, text, vote in events:
        match kind:
            case "start":
                who.speech_started(at)
            case "pause":
                who.speech_paused(at, at / 3)
            case "words":
                who.words(text, at)
            case "beep":
                who.beep(at)
            case "fax":
                who.fax(at)
            case "carrier":
                who.carrier_says(vote, at)
            case "spoke":
                who.we_spoke(at)
            case _:
                who.on_deadline(at)
        assert who.deadline is None or who.deadline > -1.0
        assert who.speak_at is None or who.due(who.speak_at)
