"""The English words by which a pause is told from an end, a machine from a human, and a wish from talk."""

from typing import Final

from client_caller.conversation.language import Answering, Language, Patterns, Wishes


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


def _phrases(*lines: str) -> frozenset[str]:
    return frozenset(phrase.strip() for line in lines for phrase in line.split(","))


def _counted(line: str, first: int, step: int = 1) -> dict[str, str]:
    return {word: str(first + step * index) for index, word in enumerate(line.split())}


def _patterns(*phrases: str) -> Patterns:
    return phrases


_LEAVE: Final = "leave|leaving|record|recording"
_DIGIT: Final = "1|2|3|4|5|6|7|8|9|0|one|two|three|four|five|six|seven|eight|nine|zero|star|pound|hash|any_key|a_key"
_MAILBOX: Final = "mailbox|mail_box|inbox|voicemail|voice_mail|message_box"
_YOU_CALL: Final = "you're|you_are|your calling|trying_to_call|trying_to_reach"

_ANSWERING: Final = Answering(
    screening=_patterns(
        "say|state|record|give|tell (us|me) your (first|full) name and|with .. reason|purpose|why|what",
        "say|state|record|give (us|me) your (first|full) name .. .. try|connect",
        "if this|the person is available|free",
        "screening service|assistant|your|this|calls",
        "using a|the|an|call|google .. screening|assistant|screen",
        "call|virtual screening|assist|assistant",
        f"person|party {_YOU_CALL} .. copy|transcript|assistant",
    ),
    asking=_patterns(
        "say|state|record your (first|full) name",
        "reason for (your|the|this) call|calling",
        "why|what you're|you_are|your calling",
        "i'll|i_will|we'll|let_me see|check|find_out if|whether .. available|there|home|in",
        "hold|wait|stay|moment .. while|and i|we .. try|connect|locate|find|reach",
        "try|trying to connect|reach you|them",
        "may|can i ask|know who's|who_is calling and",
    ),
    names=_patterns("name|reason|purpose|why|repeat"),
    no_messages=_patterns(
        f"{_MAILBOX} (that) .. is|are (currently) full|fool",
        f"{_MAILBOX} .. not|hasn't|yet (been|yet|be) (been|yet) set_up|setup|initialized|activated|available|enabled",
        "not|cannot|can't|unable_to|no_longer accept|accepting|taking|take (any) (new|more|incoming) messages|calls",
        "no|not (longer|currently|in) in|a|working service|number",
        "has been disconnected|changed",
        "cannot|can't|could_not be completed|connected (as) (dialed|dialled)",
        "check the number and (dial|try|call)",
        f"customer|subscriber|number|mobile|phone {_YOU_CALL} .. not (currently) available|reachable|in_service",
        "customer|number|mobile|subscriber you have dialed|dialled|called .. not|unavailable|off",
    ),
    voicemail=_patterns(
        "after|at|for|following|hear the|a (sound_of_the|long|short) tone|beep|signal",
        f"{_LEAVE} (me|us|him|her|them) a|your|the (brief|short|detailed|quick|voice) message",
        "leave|leaving (me|us) (a|your|the) (full|first) name|number|voicemail|voice_mail|details",
        "finished|done recording|leaving",
        f"forwarded|transferred|diverted|sent to .. {_MAILBOX}|voice",
        "automatic|automated voice|message|messaging|answering .. system|service",
        "voice messaging|message system|service",
        f"reached|is (the|my|our) (personal) {_MAILBOX}",
        f"reached the .. {_MAILBOX}",
        f"{_MAILBOX} of|for|service|system",
        "answering machine|service",
        "you may|can (now) hang up",
        "i'll|we'll|i_will|we_will get|call|return|be|give (your|right|you|back) (call|to|back|a) (you|call|back) .. "
        "as|soon|when|later",
    ),
    offers=_patterns(
        "do|would you|ya (want|like|care|prefer) (me) (to) (to) leave|take",
        "(do|would) want|like (me) to take|leave|give|pass",
        "can|could|may|shall|should i take|give|pass|tell|help",
        f"{_LEAVE} .. with me|us",
        "i'll|i_can|i_will give|pass|tell|make|let",
        "did you|he|she leave",
    ),
    tones=_patterns("tone|beep|signal"),
    menu=_patterns(
        f"press|dial|push|enter|choose|select|say|oprima|marque (the) (key|number|el|or_say) {_DIGIT}|uno|dos",
        "para español|espanol|espaniol",
        "menu|following options|option|choices|selections",
        "listen|listening carefully|closely",
        "press or say",
        "say or press",
        "please (make_a|select|choose) selection|from|one_of",
        "party's|parties|person's extension",
        "enter|dial|know (the|your|it) .. extension",
        "next available representative|agent|operator|associate",
        "calls are answered|taken in",
        "your call is important",
        "for sales|support|billing|service|appointments|english|reservations .. press|say|dial",
    ),
    unavailable=_patterns(
        "can't|cannot|can_not|couldn't|unable_to|not_able_to (currently) come|get|answer|take (to|your|the|my|this) "
        "(your|the|my) phone|call|calls|telephone",
        "is|are|am|i'm|we're|i_am|we_are|currently|presently not|currently|un (currently|presently) available",
        "isn't|aren't available",
        "unavailable",
        "away from (my|our|the) desk|phone|office|computer",
        "out of (the|my|our) office",
        "sorry (that) i|we missed",
        "missed your call",
        "not (in|here|home|at_home|at_my_desk) right now",
        "not home|in_the_office|near_my_phone|near_the_phone",
        "no one is|nobody_is available",
        "on vacation|holiday|another_call|the_other_line",
    ),
    reached=_patterns(
        "you've|you|have reached|called", "this is the voice|number", "thank_you|thanks for calling", "welcome to"
    ),
    receptions=_patterns(
        "can|may|could|do|should i|we (be) help|assist|do|get|direct|of",
        "speaking",
        "who would|did|do you like|want|wish",
        "how are you",
        "what's|what_is this|it about|regarding",
        "my name is|my_name's",
    ),
    hellos=_patterns(
        "hello|hallo|halo|hullo|hi|hey|hiya|yo|yes|yeah|yep|yup|there|good_morning|good_afternoon|good_evening|good_day",
        "morning|afternoon|evening|speaking|go_ahead|sorry|pardon|okay|ok|please|sir|ma'am|what|oh|uh|um|huh|ah|and",
        "who's|who_is|who_am_i (this|that|it|there|calling|speaking) (speaking|calling|to|with|please)",
        "who is|am|are (i|you) (speaking|talking) (to|with)",
        "(may|can) i ask|know who's|who_is calling",
        "this|it|that is (him|her|me|he|she)",
        "this|it is he|she|me|him|her (speaking)",
        "it's|that's me",
        "(can|do) you hear me",
        "anybody|anyone|somebody|someone there|here",
        "is anybody|anyone|somebody|someone|this (there|on_the_line)",
        "are you there|still_there",
        "what's up",
        "i'm|i_am here|listening",
        "who do i have",
    ),
    present=_patterns(
        "i'm|i_am|we're|we_are (right|still|actually) here|listening|home|on_the_line|on_the_phone",
        "can you hear",
        "who (is) this|calling|it|that",
        "who's this|calling|it|that|there",
        "picked|answered up|it|the_phone",
        "not a|an (answering) machine",
        "hang|hold|wait on|a (a|one|second) (second|sec|minute|moment)",
        "don't hang up",
        "it's|it_is|this_is me",
    ),
)

_NOT: Final = "don't|do_not|never|not|didn't|did_not|won't|wouldn't|doesn't|can't|cannot|shouldn't|mustn't|no_longer"
_ME: Final = "me|us"
_MY: Final = "my|our|this"
_CALL: Final = "call|phone|ring|contact|bother|disturb"
_CALLING: Final = "calling|phoning|ringing|contacting|bothering|disturbing|harassing|texting|calls"
_LIST: Final = "list|lists|database|system|records|files|file"
_REMOVE: Final = "take|taken|remove|removed|get|delete|deleted|drop|strike|cross|scratch|erase|pull"
_NUMBER: Final = "(phone|telephone|cell|mobile|home) number|name|data|details|information"
_HUMAN: Final = "human|human_being|person|representative|rep|agent|operator|receptionist|supervisor|manager|advisor"
_SOMEONE: Final = "someone|somebody|anyone|anybody|people|staff|customer_service|customer_support|a_colleague|your_boss"
_REAL: Final = "real|live|actual|living|breathing|human|different|proper"
_FINE: Final = "fine|okay|ok|alright|all_right|good|cool|great"

_WISHES: Final = Wishes(
    opt_out=_patterns(
        f"stop|quit|cease (all) (the|your|these|those|making|placing) (the|your|these|phone|sales) {_CALLING}",
        f"{_NOT} (you) (dare|to) (ever) (to) {_CALL} {_ME}|here|back|again|anymore|this|my|our",
        f"{_NOT} (ever) {_CALL} .. again|anymore|any_more|ever",
        f"{_NOT} want|need|wish|like|care (to) (get|receive|have|be|for) (any|more|all) (of|more) "
        "(the|these|those|your) (phone|sales|automated) calls|called|contacted|bothered|you_calling",
        f"{_NOT} want|need|wish|like|care (to) (get|receive|have) (any|more) calls|hear from you",
        f"{_NOT} want|need|wish|like you|anyone|anybody|them to {_CALL}",
        "no more (of) (the|these|your) (phone|sales) calls|calling",
        "make|get|have|want the|these|your|all (phone|sales) calls (to) stop|stopped|end",
        f"{_REMOVE} {_ME} off|from|of|out .. {_LIST}",
        f"{_REMOVE} {_MY} {_NUMBER} off|from|of|out .. {_LIST}",
        f"taken|removed off|from|of .. {_LIST}",
        f"off (of) your|the|this (calling|call) {_LIST}",
        f"remove|delete|erase|lose|forget|block {_MY} {_NUMBER}",
        f"remove|delete|unlist {_ME}",
        "unsubscribe|unsubscribed|unsubscribing",
        "opt|opted|opting (me|us) out",
        "do_not|don't|no call|contact list|registry|register",
        "revoke|withdraw|cancel (my|our|all|any) consent|permission",
        "cease and desist",
        "leave me|us|my_family alone",
    ),
    other_calls=_patterns(
        f"{_CALL} (me|us|here|back) before|after|until|unless|during|between|while|tomorrow|tonight|yesterday|today",
        f"{_CALL} (me|us|here) (at|in|on|so|too) (the|my) (the|my) night|work|early|late|morning|evening|weekend",
        f"{_CALL}|calling {_ME} sir|ma'am|madam|miss|names|that|a|an|the",
        "calling it|him|her|them|that|names",
        f"{_CALL} {_ME} by|via|through|with|about email|mail|text|post|letter|sms",
        f"{_CALL} the|my|his|her|their old|other|office|work|previous|former number|line|phone",
        "didn't|did_not call (me|us) back",
    ),
    human=_patterns(
        f"speak|talk|talking|speaking|chat to|with|two|too (a|an|the|your|another) ({_REAL}) {_HUMAN}|{_SOMEONE}",
        f"connect|connected|transfer|transferred|put|pass|get {_ME}|be|to (back|through|on) "
        f"(to|with) (a|an|the|your) ({_REAL}) {_HUMAN}|{_SOMEONE}",
        f"connected|transferred to|with (a|an|the|your) ({_REAL}) {_HUMAN}|{_SOMEONE}",
        f"connect {_ME} to|with",
        f"transfer|forward {_ME}|my_call|this_call|the_call",
        f"put {_ME} through",
        f"want|need|prefer|get|give|fetch (me|us) (a|an|the) ({_REAL}) human|human_being|operator|supervisor",
        f"want|need|prefer|get (me|us) (a|an|the) ({_REAL}) representative",
        f"want|need|prefer|get|give|fetch (me|us) (a|an|the) {_REAL} person|agent",
        f"get|find {_ME} {_SOMEONE}",
        f"{_SOMEONE}|person|human|representative (else|there|here) (who|that) i|we can|could|may talk|speak (to|with)",
        f"{_NOT}|rather_not|hate (want|like|going|wish) (to) talk|speak|talking|deal to|with (a|an|the|your|this) "
        "robot|machine|computer|bot|ai|recording",
    ),
    human_whole=_patterns(f"(a|an|the) ({_REAL}) {_HUMAN}|customer_service|customer_support (please|now)"),
    other_humans=_patterns(
        "human resources|rights|error|nature",
        f"transfer|forward {_ME} the|a|some|my",
        "travel|estate|insurance|sales agent",
    ),
    goodbyes=_patterns(
        "goodbye|good_bye|bye|bye_bye|by_by|cheerio|farewell|ciao|good_night|take_care|so_long",
        "see you|ya (later|soon|then|tomorrow)",
        "talk|speak to you|ya later|soon|tomorrow",
        "have (yourself) a (very|really) nice|good|great|lovely|wonderful|pleasant|blessed|fine "
        "day|evening|night|weekend|afternoon|morning|one|rest_of_your_day",
        "okay|ok|thanks|you by (by)",
        "hanging up (now)",
    ),
    courtesies=_patterns(
        "thank_you|thanks (so|very) (much|again|a_lot)",
        "now|then|for_now|sir|ma'am|you_too|too|okay|ok|everyone|all|dear|love|mate|there|and|uh|um|yeah|yes",
    ),
    reported_goodbyes=_patterns(
        "say|saying|said|says|wave|without|before|no|not|stop goodbye|bye|good_bye|by",
        "a|the|his|her|my|your (long|last) goodbye|bye|good_bye",
        "is|was|be it|this|that|a (a) goodbye|good_night",
    ),
    negations=_patterns(
        f"{_NOT}|dont (ever|just|please|to|even)",
    ),
    denials=_patterns(
        f"{_NOT}|dont|no|wasn't|isn't want|need|ask|asked|say|said|saying|tell|told|mean|meant|have|like|wish|asking "
        "(you|them|him|her|me|us|anyone|that|for) (to) (please|be|talk|speak)",
    ),
    accusations=_patterns("you (people|guys|folks|all|lot|just|still|keep|really|always)", "why|can't|won't"),
    suppositions=_patterns(
        "when|whenever|after|before|if|every_time|last_time|once i|we|you (can|could|ever|finally)",
        "had|used to",
    ),
    yes=_patterns(
        "yes|yeah|yep|yup|ya|sure|okay|ok|alright|all_right|fine|absolutely|certainly|definitely|of_course|mhm|aye",
        "go ahead|for_it",
        "i (do) (fully) agree|consent|accept|approve|do",
        "agreed|feel_free|by_all_means|please_do|i_guess|i_suppose|that_works|sounds_good|sounds_fine",
        f"that's|that_is|it's|it_is|i'm|i_am (perfectly|totally|quite) {_FINE} (with|by|for) (me|us|that|it)",
        "you can|may (go_ahead_and) record (it|this|the|me) (call)",
        "you have my|our permission|consent",
        "fine|okay|ok by|with me|us",
    ),
    no=_patterns(
        "no|nope|nah|never|negative|no_way",
        "absolutely|definitely|certainly|of_course|preferably|rather|prefer|please not",
        f"{_NOT}|dont|stop|no (want|like|wish) (to) (be) record|recorded|recording|agree|consent|accept|that",
        "rather|prefer you|it|if|that .. didn't|don't|not|wasn't",
        f"not {_FINE}|allowed|comfortable|happy",
        "i refuse|decline|object|disagree",
        "please don't|do_not",
        "you|i can't|cannot|may_not|don't|do_not|won't",
    ),
    harmless_no=_patterns(
        "no problem|problems|worries|objection|objections|issue|issues",
        "not a problem",
        "(no) i|we don't|do_not mind (at) (all)",
        f"no that's|that_is|it's|it_is {_FINE}",
        "no go ahead",
        "why not",
    ),
    undecided=_patterns(
        "maybe|perhaps|what|who|why|how_come|what_for|pardon|sorry|depends|hold_on|wait",
        "not (so|really|quite) sure",
        "don't|do_not know",
        "yeah|yes no",
        "is this|it|that",
        "are|can i|you",
    ),
)

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
    answering=_ANSWERING,
    wishes=_WISHES,
)
