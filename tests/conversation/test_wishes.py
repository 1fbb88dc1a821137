"""What a caller wants of the call itself: sentences that are a wish, and sentences that only look like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.english import ENGLISH
from client_caller.conversation.language import Patterns, is_wholly, mentions, spans
from client_caller.conversation.wishes import Wish, answer_of, wish_of

OPT_OUT = """
Stop calling me.
stop calling
please stop calling this number
Could you please stop calling me?
You need to stop calling here.
I want you to stop calling me
I told you to stop calling me
My husband said to stop calling us.
My mother told me to tell you to stop calling.
Quit calling me!
stop the calls
Stop all these calls, please.
Stop harassing me.
stop bothering us
Take me off your list.
take me of your list
Please take me off of your calling list.
take my number off your list
Take us off the list right now
Can you take me off this list please
I want to be taken off your list
I'd like to be removed from your list
get me off your list
Remove my number.
remove my number from your database
please remove me from your records
Please remove our number from your system.
Remove me.
delete my number
please delete my phone number from your files
lose my number
Lose this number, will you?
Do not call again.
do not call me again
Don't call me anymore.
dont call me any more
Don't ever call here again.
never call this number again
Never call me again
You should not call me anymore
please do not contact me again
Do not contact me
Don't you dare call me again.
Don't phone us.
unsubscribe
Unsubscribe me, please.
I'd like to unsubscribe
how do I unsubscribe from this
I want to opt out
opt me out
opt-out
I don't want these calls.
I don't want any more calls
I do not want to be called
I don't want you to call me
I don't want to receive these calls anymore
I no longer wish to receive your calls
I don't need any calls from you
No more calls, please.
no more of these calls
leave me alone
Leave us alone!
put me on your do not call list
put me on the do-not-call list
I'm on the do not call registry
add this number to your do not call list
I revoke my consent
I withdraw my consent to these calls.
make these calls stop
I want the calls to stop
you people never stop calling me
You never stop calling!
If you don't stop calling me I will call the police.
why don't you stop calling me
won't you stop calling me
hello yes listen um could you take me off your list thank you bye
I am not interested, do not call me again, goodbye.
I'm busy and I don't want your calls please stop calling me
I don't know who you are stop calling me
I don't care stop calling me
we do not wish to be contacted
don't call this number
Don't call back.
stop calling my house
stop calling my wife
please don't call here anymore
I don't want to hear from you again
cease and desist
take my name off your list
drop me from your list
"""

NO_OPT_OUT = """
Don't stop calling me, I need it.
please don't stop calling me
do not remove me from the list
Don't take me off your list.
I don't want you to take me off the list
I never said stop calling me
I didn't say stop calling
I didn't ask to be taken off the list
You don't need to take me off your list
You don't have to remove my number.
My boss won't stop calling me.
my ex never stops calling
The insurance people won't stop calling me
My husband said you should not call the old number.
Don't call the office number, call my mobile.
please don't call me before nine
Don't call me at work.
don't call me tomorrow I am away
Do not call me after six.
don't contact me by email please
don't call me sir
stop calling me names
Stop calling it that.
Don't call him, call her.
stop it
stop
Wait, stop.
I'm not interested.
wrong number
You have the wrong number
Can you call me back tomorrow?
call me again next week
please call again
What is on your list?
Put me on your list.
add me to the list please
take the first one off
Can I take one of your lists?
I called yesterday and nobody called back
You did not call me yesterday.
you didn't call me back
Why didn't you call?
I don't mind if you call me
How many calls do I get?
I want to remove the old address
Remove the second item from my order.
delete my last order
I need to cancel my appointment
Can you leave me a message
don't worry
no thanks
I don't want it
I don't want the blue one
I'm calling about the calls on my bill
I would like to stop my subscription
I want a list of your prices
my number is five five five oh one two three
my name is not on the list
It's on the list
The list of numbers, please.
no more questions
that's all
I stopped calling them
how do I stop the machine
I don't have your number
who is calling
"""

HUMAN = """
I want to speak to a human.
speak to a human
Can I speak to a real person?
let me talk to a person
Could I talk to somebody?
let me talk to somebody
I'd like to speak with a representative
representative
Representative!
agent
Agent, please.
operator
Operator please.
human please
a human being please
real person
live agent
customer service
Transfer me to someone.
transfer me
Can you transfer me to an agent?
please connect me to an operator
connect me with a human
put me through to sales
Can you put me through?
get me a human
give me a real person
I need a human
I want a human being
I want to talk to your manager
Let me speak to your supervisor.
Can I speak with someone else?
is there someone I can talk to
Is there a human I could speak with?
is there anybody there I can talk to
I don't want to talk to a robot
I do not want to speak with a machine.
I won't talk to a computer
I'd rather talk to a person
can i talk to someone in billing
I would prefer to speak with a live person
Please let me speak to an actual human being.
why can't I speak to a person
Can't I talk to somebody?
I need to speak to customer service
could you pass me to an agent
I want to be connected to a representative
I said I want a human
speak to an agent
talk to a rep
speak with an operator
may I speak to the manager
I want to speak two a human
get somebody who I can talk to
put me on with a supervisor
Yes, hi, um, can I please talk to a real human?
no I want to speak to a human
I don't understand you, let me talk to a person
this is useless get me an operator
can I be transferred to a representative
I need to speak with a person about my bill
forward my call to somebody else
"""

NO_HUMAN = """
I called a human resources department
I work in human resources.
I don't want to speak to a human
I don't need to talk to a representative
You don't have to transfer me
no need to connect me to an agent
Are you a human?
are you a real person
Is this a robot?
I spoke to a representative yesterday.
a person called me yesterday
When I talk to a representative they never know.
I had to talk to somebody last week
I am a human
My travel agent booked it
I'd like to transfer some money
transfer me the money
The operator was rude.
two people
for four people
How many people work there?
I want to speak about my order
can I talk to you
let me speak
Let me talk.
I want to talk about human rights
the manager told me to call
what does an agent cost
You sound like a human.
somebody told me so
It is for someone else.
I need a room for one person
He put me in touch
connect the printer
I was connected yesterday
give me a second
"""

GOODBYE = """
Goodbye.
bye
Bye bye.
bye-bye
okay bye
Ok, thank you, bye.
Thanks, goodbye.
have a nice day, bye
Have a nice day.
have a good one
You too, bye now.
Have a great weekend!
good night
see you
See you later, bye.
talk to you later
take care
that's all thank you goodbye
great thank you very much bye bye
Goodbye, thank you.
bye then
good bye
okay by
thanks by by
I have to go now, bye
I am hanging up now
alright take care now
bye everyone
no that's it have a lovely evening
"""

NO_GOODBYE = """
I said goodbye to him
She said goodbye.
before we say goodbye
Bye the way, I have a question
goodbye is not what I want to say
Have a nice day is what he said to me
what day is it
Have you a nice room?
see you said it was open
can you stop by
I live nearby
take care of my order
talk to you later about the price I have another question first
Hello.
yes
Is it a good night for it then
I want to buy
when do I say goodbye
a long goodbye
hold on
"""

YES = """
Yes.
yeah
yes please
Sure.
sure go ahead
Okay.
that's fine
That's okay with me.
Yes, that's fine.
yes you can record this call
of course
I agree
I consent
yeah no problem
No problem.
I don't mind
No, I don't mind.
no that's fine
why not
Sure, why not?
absolutely
fine by me
go ahead
okay you can record
Yes I consent to the recording.
um yes okay
all right
it's fine
no objections
by all means
yes I do
you have my permission
I guess so
"""

NO = """
No.
no thanks
No, thank you.
nope
I'd rather not
I would rather you didn't
please don't
Don't record me.
do not record this call
no I do not consent
I don't agree
I don't want to be recorded
absolutely not
No way.
yes but don't record it
not okay
That's not okay.
I'd prefer not
never
I refuse
No recording please.
you can't record me
you may not
I decline
Of course not.
please stop recording
no don't
certainly not
I do not want that
nah
"""

NEITHER = """
What?
who is this
I don't know
maybe
I'm not sure
not sure
why
What for?
Yeah, no.
can you repeat that
pardon
I am calling about my order from last week
yes what do you want and who gave you this number anyway my friend
hold on
is this about the car
um
hello
"""


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.mark.parametrize("text", lines(OPT_OUT))
def test_who_wants_no_more_calls_is_heard(text: str) -> None:
    assert wish_of(text, ENGLISH) is Wish.OPT_OUT


@pytest.mark.parametrize("text", lines(NO_OPT_OUT))
def test_who_means_something_else_is_not_taken_off(text: str) -> None:
    assert wish_of(text, ENGLISH) is not Wish.OPT_OUT


@pytest.mark.parametrize("text", lines(HUMAN))
def test_who_wants_a_human_is_heard(text: str) -> None:
    assert wish_of(text, ENGLISH) is Wish.HUMAN


@pytest.mark.parametrize("text", lines(NO_HUMAN))
def test_who_only_speaks_of_humans_is_not_transferred(text: str) -> None:
    assert wish_of(text, ENGLISH) is not Wish.HUMAN


@pytest.mark.parametrize("text", lines(GOODBYE))
def test_a_goodbye_at_the_end_of_a_turn_ends_the_call(text: str) -> None:
    assert wish_of(text, ENGLISH) is Wish.GOODBYE


@pytest.mark.parametrize("text", lines(NO_GOODBYE))
def test_a_goodbye_that_is_none_ends_nothing(text: str) -> None:
    assert wish_of(text, ENGLISH) is not Wish.GOODBYE


@pytest.mark.parametrize(("answer", "texts"), [("yes", YES), ("no", NO), (None, NEITHER)])
def test_consent_is_only_what_is_said_clearly(answer: str | None, texts: str) -> None:
    wrong = {text: answer_of(text, ENGLISH) for text in lines(texts) if answer_of(text, ENGLISH) != answer}
    assert not wrong


def test_the_wish_not_to_be_called_counts_before_any_other() -> None:
    assert wish_of("I want to speak to a human, and take me off your list, goodbye.", ENGLISH) is Wish.OPT_OUT


def test_the_wish_for_a_human_counts_before_a_goodbye() -> None:
    assert wish_of("Let me talk to a person, or goodbye.", ENGLISH) is Wish.HUMAN


@given(st.sampled_from(lines(OPT_OUT)), st.sampled_from(["", "uh ", "okay so ", "listen ", "hello yes "]))
def test_neither_case_nor_marks_nor_apostrophes_nor_a_beginning_hide_the_wish(text: str, before: str) -> None:
    heard = "".join(letter for letter in text.lower() if letter.isalnum() or letter in " -")
    assert wish_of(before + heard, ENGLISH) is Wish.OPT_OUT


@given(st.lists(st.sampled_from([*" ".join(lines(OPT_OUT + NO_OPT_OUT + NO_HUMAN + YES + NO)).split(), "..."])))
def test_no_words_whatever_raise(words: list[str]) -> None:
    wish_of(" ".join(words), ENGLISH)
    answer_of(" ".join(words), ENGLISH)


# How phrases are written down.

PATTERNS: Patterns = ("leave (me|us) a|your message", "do_not|don't call", "take .. list")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("please leave a message", [(1, 4)]),
        ("leave us your message now", [(0, 4)]),
        ("leave message", []),
        ("do not call", [(0, 3)]),
        ("dont call don't call", [(0, 2), (2, 4)]),
        ("take that off the list", [(0, 5)]),
        ("take that one thing right off the list", []),
        ("mistake list", []),
        ("", []),
    ],
)
def test_phrases_are_found_with_their_choices(words: str, found: list[tuple[int, int]]) -> None:
    assert spans(PATTERNS, words.split()) == found
    assert mentions(PATTERNS, words.split()) == bool(found)


def test_a_text_is_wholly_made_of_phrases_or_not() -> None:
    assert is_wholly(PATTERNS, ["do", "not", "call", "leave", "a", "message"])
    assert not is_wholly(PATTERNS, ["do", "not", "call", "please"])
    assert not is_wholly(PATTERNS, [])


@pytest.mark.parametrize("table", [ENGLISH.answering, ENGLISH.wishes], ids=["answering", "wishes"])
def test_no_phrase_of_the_tables_fits_nothing_at_all(table: object) -> None:
    for field in table.__dataclass_fields__:  # type: ignore[attr-defined]
        patterns = getattr(table, field)
        assert not mentions(patterns, []), field
        assert not spans(patterns, ["xyzzy"]), field
