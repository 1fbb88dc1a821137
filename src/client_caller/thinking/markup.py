"""Markup: what a language model writes and nobody says.

In:   a stretch of its text, and whether a reply, a line or a sentence begins there.     Out: what would be said aloud.
Rule: pure; no words are lost but those that no speaker would say: stage directions, the speaker's own name before the
      text, what stands in square brackets, the address behind a link. Addresses that are text stay as they are.
"""

import re
from functools import cache
from typing import Final, Literal

Where = Literal["reply", "line", "sentence", ""]
"""What begins where a text begins: "" is the middle of a sentence."""

TURN_MARK: Final = re.compile(
    r"<(?:start_of_turn|end_of_turn|eos|bos|pad|/s|endoftext|start_of_image|unused\d+)>"
    r"|<\|[^|<>\s]{1,40}\|>|\[/?INST\]|<</?SYS>>|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\]"
)
"""Marks of chat templates (Gemma 3, ChatML, Llama 3, Mistral): where one stands, the model's own message is over."""

ECHO: Final = re.compile(
    r"\s*(?:(?:<bos>|<s>|<\|begin_of_text\|>|<start_of_turn>model\b|<\|im_start\|>assistant\b"
    r"|<\|start_header_id\|>assistant<\|end_header_id\|>)\s*)+"
)
"""The template's own opening of an answer, which a badly served model says once more. It ends nothing."""

HIDDEN: Final = re.compile(
    r"<(think|thinking|reasoning|tool_call|tool_response|function_call)>"
    r"|`{3,}[ \t]*(?!te?xt\b|plain|markdown|md\b)\w+(?=\s|\Z)"
)
"""Opens what is not meant for the caller: thoughts, calls, and code that says of which language it is."""

_OWN_LABELS: Final = ("assistant", "agent", "ai", "bot", "receptionist", "answer", "reply", "response", "a")

_STAGE_VERBS: Final = (
    "laughs laughing laughter chuckles chuckling chuckle smiles smiling smile sighs sighing sigh pauses pausing pause "
    "nods nodding coughs coughing giggles giggling gasps whispers whispering winks grins grinning shrugs beat silence "
    "clears clearing exhales inhales typing types sniffs hums waits waiting listens listening"
)
_STAGE_MANNERS: Final = "warmly softly gently cheerfully politely quietly brightly sympathetically reassuringly calmly"
_STAGE: Final = (
    rf"(?:(?:{'|'.join(_STAGE_VERBS.split())})"
    r"(?:\s+(?:\w+ly|throat|head|again|and|(?:a|his|her|my)\s+(?:bit|little|head|throat)|for a \w+"
    r"|to (?:him|her|my)self))*"
    rf"|{'|'.join(_STAGE_MANNERS.split())}|in an? \w+ (?:tone|voice))[.!]?"
)

_LONGEST_ASIDE: Final = 80
"""Characters: what has no closing bracket or asterisk by then is taken for text."""

_ASIDE: Final = rf"[^\[\]\n]{{0,{_LONGEST_ASIDE}}}"
_EMPHASISED: Final = rf"[^*\n]{{0,{_LONGEST_ASIDE - 1}}}"

_OPEN: Final = re.compile(
    rf"(?:\[{_ASIDE}|(?<![\w*])\*(?![\s*.,!?;:)]){_EMPHASISED}|<[A-Za-z/][^<>\n]{{0,{_LONGEST_ASIDE}}}"
    rf"|\((?:{'|'.join(_STAGE_VERBS.split())})\b[^()\n]{{0,{_LONGEST_ASIDE}}})\Z",
    re.IGNORECASE,
)

_LINE_MARK: Final = (
    r"\s*(?:#{1,6}\s+|>\s+|[-*+•·–—]\s+(?:\[[ xX]?\]\s+)?|\(?(?:%s)(?:[.)]|\u20e3)\s+"
    r"|`{3,}(?:text|txt|plaintext|markdown|md)?\s+)"
)
_LINE_MARKS: Final = {"reply": re.compile(_LINE_MARK % "1"), "line": re.compile(_LINE_MARK % r"\d{1,2}")}
"""Headings, quotes, bullets and list numbers. A number that begins a reply is meant, unless it is the 1 of a list."""

_STAGE_START: Final = re.compile(
    rf"\s*(?:\*(?!\*)(?:{_STAGE}\*|(?-i:[a-z]+(?:s|ing))\b{_EMPHASISED}\*(?-i:(?!\s*[a-z*])))"
    rf"|\[{_ASIDE}\](?!\()|\({_STAGE}\))",
    re.IGNORECASE,
)
"""A stage direction where a sentence begins: between asterisks, also an unknown verb ("*tilts head* Hello"), unless
a small letter follows, for then it is an emphasis ("*always* open")."""

_TABLE_ROW: Final = re.compile(r"\s*\|")


def visible(text: str) -> str:
    """The text without emoji and characters of no width, whatever stands beside them."""
    return _PICTURES.sub(" ", _INVISIBLE.sub("", text))


def unsaid(text: str, where: Where, own_name: str = "") -> int:
    """How much of the beginning is not part of what is said: bullets, who is speaking, stage directions."""
    if not where:
        return 0
    end, before = 0, -1
    while end != before:
        before = end
        if where != "sentence":
            for pattern in (_LINE_MARKS[where], _label(own_name)):
                if found := pattern.match(text, end):
                    end = found.end()
        if found := _STAGE_START.match(text, end):
            end = found.end()
    return end


def is_open(words: str, where: Where) -> bool:
    """Whether a bracket, an emphasis or a row of a table waits for its other half, which decides what it is."""
    return bool(_OPEN.search(words) or (where in ("reply", "line") and _TABLE_ROW.match(words)))


def speakable(text: str, where: Where = "reply", own_name: str = "") -> str:
    """What of a text would be said aloud, with single spaces. where: what begins where it begins."""
    text = visible(text)
    text = text[unsaid(text, where, own_name) :]
    for pattern, instead in _REPLACED:
        text = pattern.sub(instead, text)
    return _LEADING.sub("", " ".join(text.split()))


@cache
def _label(own_name: str) -> re.Pattern[str]:
    """The speaker before the text: "Agent:", "**Anna:**"."""
    names = [*_OWN_LABELS, *({own_name, own_name.split()[0]} if own_name.strip() else ())]
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"\s*[*_]*(?:{either})[*_]*\s?:[*_]*\s+", re.IGNORECASE)


_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\ufe0e\ufe0f\U000e0000-\U000e007f]")
_PICTURES: Final = re.compile(
    "[\U0001f000-\U0001fbff\u2600-\u27bf\u2190-\u21ff\u2300-\u23ff\u25a0-\u25ff\u2b00-\u2bff"
    "\u203c\u2049\u2122\u2139\u3030\u303d\u3297\u3299\u00a9\u00ae]"
)

_URL: Final = r"[^\s()]*(?:\([^\s()]*\)[^\s()]*)*"
_REPLACED: Final = [
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"\$\\[A-Za-z]+\$", " "),
        (r"\\(?=[^\w\s])", ""),
        (r"<!--.*?-->|&nbsp;", " "),
        (r"&amp;", "&"),
        (r"&(?:quot|#34);", '"'),
        (r"&(?:apos|#39|#x27);", "'"),
        (r"&lt;", "<"),
        (r"&gt;", ">"),
        (rf"!\[[^\[\]\n]*\]\({_URL}\)", " "),
        (rf"\[([^\[\]\n]*)\]\({_URL}(?:\s+\"[^\"\n]*\")?\)", r"\1"),
        (rf"\]\((?:https?:|mailto:|tel:|www\.|/|#){_URL}\)", "]"),
        (rf"\[{_ASIDE}\]", " "),
        (rf"(?i)\({_STAGE}\)|\*{_STAGE}\*(?!\*)|(?<!\w)_{_STAGE}_(?!\w)", " "),
        (r"<((?:https?://|mailto:)?[^\s<>@/]+[@./:][^\s<>]*[^\s<>/])>", r"\1"),
        (rf"</?[A-Za-z][\w:-]*(?:\s[^<>\n]{{0,{_LONGEST_ASIDE}}})?/?>", " "),
        (r"(?<=\d) ?\* ?(?=\d)", " times "),
        (r"(?i)\b(press|dial|hit|enter|the|or|and|then) \*(?=[\s.,!?]|$)", r"\1 star"),
        (r"(?i)\b(press|dial|hit|enter|the|or|and|then) #(?=[\s.,!?]|$)", r"\1 pound"),
        (r"#(?=\d)", "number "),
        (r"(?<!~)~ ?(?=\d)", "about "),
        (r"^\s*\|\s*|\s*\|\s*$", ""),
        (r"\s*\|[\s|]*", ", "),
        (r"\*+|`+|~+|(?<!\w)_+|_+(?!\w)|[\[\]#«»‹›\u20e3]", ""),
        (r"\s+([,.;:!?…]+)(?=\s|$)", r"\1"),
        (r"[,;]+(?=[.!?](?:\s|$))", ""),
    )
]
"""What is taken out or said in other words, in this order."""

_LEADING: Final = re.compile(r"^(?:[\s,;:!?…)\]}”]+|[–—-]\s+|\.+(?!\d))+")
"""Marks that were left over where something was taken out before them."""
