"""The English words by which a pause in mid-sentence is told from an end."""

from typing import Final

from client_caller.conversation.language import Language


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


def _phrases(*lines: str) -> frozenset[str]:
    return frozenset(phrase.strip() for line in lines for phrase in line.split(","))


def _counted(line: str, first: int, step: int = 1) -> dict[str, str]:
    return {word: str(first + step * index) for index, word in enumerate(line.split())}


ENGLISH: Final = Language(
    dangling=_words(
        "a an the my your his our their its every",
        "and or but because if when where how why what while although unless until since than as whether",
        "which who whose",
        "of from into onto to with for at after",
        "i'm i'd i've i'll you're we're they're he's she's there's",
        "very really quite i we they he she am",
    ),
    dangling_pairs=frozenset(
        (first, second)
        for pair in _phrases(
            "would like, i want, i need, want you, trying to, is that, was that, it was, it is, name is, number is",
            "address is, do you, can you, could you, can i, thing is, calling about, looking for, think that, know if",
            "to know, have a, there are, there is, i think, i guess, kind of, sort of, at the, in the, on the",
        )
        for first, second in [pair.split()]
    ),
    leaning=_words(
        "in on by about over under before near through between like so",
        "is are was were be been have has had do does did will would can could should may might must",
        "don't doesn't didn't can't won't it's that's what's this these those some any each no that",
        "just only also even not then want need trying going her",
    ),
    fillers=_words("um uh uhm er erm hm hmm mm ah eh"),
    subjects=_words("i you he she it we they there who that"),
    auxiliaries=_words("am is are was were have has had do does did will would can could should may might must"),
    answers=_words("yes yeah yep no nope sure okay ok"),
    whole_turns=_phrases(
        "correct, exactly, fine, great, perfect, no thanks, no thank you, yes please, goodbye, bye, bye bye",
        "thank you goodbye, thank you very much goodbye, i do, i am, it is, yes it is, yes i do, good to know",
        "when, where, how, why, what, which, who",
        "that's right, yes that's right, that is all, that's all",
    ),
    openers=_phrases(
        "yes, yeah, yep, no, nope, okay, ok, sure, right, hello, hi, alright, good morning, good afternoon"
    ),
    holds=_phrases(
        "wait, stop, wait stop, hold on, one moment, one second, just a moment, just a second, excuse me, sorry, hey",
        "well, so, let me see, let me think, let me check, give me a second, hang on",
    ),
    closings=_phrases(
        "thanks, thank you, thank you very much, thank you so much, thanks a lot, okay thank you, ok thank you",
        "okay thanks, ok thanks, yes thank you, all right thank you, alright thank you, great thank you",
    ),
    assents=_phrases(
        "yes, yeah, yep, yup, ya, right, okay, ok, sure, alright, all right, i see, got it, gotcha, of course, exactly",
        "good, great, fine, cool, nice, perfect, true, oh, ah, aha, wow, really, mhm, mhmm, mm, mmm, mmhmm, mm hmm",
        "mm hm, mm mm, m hm, m hmm, hm, hmm, hm hm, uh, uh huh, uh hm, um, umm, um hm, um hmm, uhm, huh, ha, er, eh",
    ),
    digits=_counted("zero one two three four five six seven eight nine", 0)
    | _counted("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", 10)
    | {"oh": "0", "o": "0", "nought": "0"},
    tens=_counted("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10),
    repeats={"double": 2, "triple": 3},
    separators=_words("and then dash hyphen space um uh uhm er erm area code"),
    phone_digits={"0": 11, "1": 11, "": 10},  # British with its zero, American with or without its country code
    at=_words("at"),
    dot=_words("dot point period"),
    domains=_words("com org net edu gov io uk us ca de eu info biz co"),
    asks_for_email=_phrases("email, e mail, mail address"),
    asks_to_spell=_phrases("spell"),
    asks_for_card=_phrases("card number, credit card, debit card"),
    asks_for_phone=_phrases(
        "phone number, telephone number, mobile number, cell number, call you back, reach you, call you on"
    ),
    asks_for_number=_phrases("number, code, digits, pin, postcode, zip"),
    asks_for_name=_phrases("your name, full name, last name, first name, surname, who am i speaking, who is calling"),
    asks_yes_or_no=_words(
        "do does did are is was were can could will would have has had shall should may am",
        "don't doesn't didn't aren't isn't wasn't can't couldn't won't wouldn't haven't",
    ),
)
