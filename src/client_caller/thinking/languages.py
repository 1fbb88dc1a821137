"""Languages: which one a few words are in, by the small words that no sentence does without.

In:   words, and the language that is wanted.     Out: whether they are surely in another.
Rule: pure, and in doubt the wanted one: names, addresses, titles and loan words are in any language.

Two tables per language. Telling words are verbs, pronouns and conjunctions, which stand in sentences; words of names
are articles and prepositions, which also stand in "Rue de la Paix" and "van der Berg" and count only beside a telling
one. Words that mean something in English, too ("die", "car", "comment", "ten"), or are names there ("Ben") are in no
other table.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_FEWEST_WORDS: Final = 4
_FEWEST_HITS: Final = 2
_SHARE: Final = 0.25
"""Of the words must be small ones of the other language, and more than twice as many as those of the wanted one."""

_SHARED: Final = frozenset(("no", "me", "a", "do", "as", "in", "an", "was", "so", "am", "we", "on", "is", "her", "all"))
"""English words that are also small words elsewhere, and so say nothing for English."""

_FOREIGN_LETTERS: Final = 0.25
"""Share of letters of another script from which on a text is not in a Latin one, be there a name in it or not."""

_LETTERS: Final = re.compile(r"[^\W\d_]")
_NOT_LATIN: Final = re.compile(r"[^\W\d_\u0041-\u02ff\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff\ufb00-\ufb06]")
_TOKEN: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_NATIVE: Final = re.compile(r"[ßłąęśćżźńğışőűãõåøæůřěžšč]")
"""Letters that no English word has which begins small. Others are at home in it: café, piñata, façade."""


class SmallWords(NamedTuple):
    """What a language is known by."""

    telling: frozenset[str]
    of_names: frozenset[str]


def _small(telling: str, of_names: str = "") -> SmallWords:
    return SmallWords(frozenset(telling.split()), frozenset(of_names.split()))


SMALL_WORDS: Final[Mapping[str, SmallWords]] = {
    "en": _small(
        "a an the this that these those i you he she it we they me him her us them my your his its our their mine "
        "yours am is are was were be been being do does did done have has had having can could will would shall "
        "should may might must not no yes and or but if so as than then because when while where who what which how "
        "why there here to of in on at by for from with about into over under after before until between through "
        "during without up down out off please thank thanks sorry hello hi good very too also just only more most "
        "some any all each every other another one two three i'm i'll i've i'd we're we'll we've you're you'll it's "
        "that's there's what's don't doesn't can't won't isn't let's let get got go call us like know need want see "
        "make take again today tomorrow now ok okay well",
    ),
    "de": _small(
        "leider ich du wir ihr mich dich sich uns euch ist sind bin bist seid waren haben habe hast hatte wird werden "
        "werde würde kann können könnte möchte möchten muss müssen soll sollen nicht kein keine und oder aber weil "
        "dass wenn wann wie wo wer warum ja nein bitte danke auch noch schon nur sehr hier heute morgen gerne gern "
        "jetzt ihnen ihre ihren ihrem mein meine sie es ein eine einen einem einer nach über für mit auf aus bei uhr "
        "geöffnet guten natürlich",
        "der das dem des den von vom zum zur im am und",
    ),
    "fr": _small(
        "désolé désolée plaît je tu nous vous ils elles suis sommes êtes est sont était avez avons ont pouvez peux "
        "pouvons peut voulez veux voudrais être avoir faire ne pas mais ou donc que qui quoi quand pourquoi oui merci "
        "bonjour très aussi avec dans sur votre vos notre nos mon mes cette ces ce c'est j'ai d'accord n'est qu'il "
        "s'il aujourd'hui demain ouvert ouverts heures il elle un une",
        "le la les du de des au aux à et en l' d' chez sous saint sainte",
    ),
    "es": _small(
        "claro siento yo tú nosotros usted ustedes ellos soy somos es está están estamos estoy tengo tiene tenemos "
        "puedo puede podemos quiero quiere pero porque que quién cuándo cómo dónde sí gracias hola buenos muy también "
        "con para por sobre su sus mis nuestro nuestra este esta esto ese eso hoy mañana ahora aquí favor abierto "
        "abiertos abrimos cita le les se lo más cuando como cuesta un una unos unas hasta desde",
        "el la los las de del al y en san santa",
    ),
    "it": _small(
        "dispiace scusi io noi voi lei loro sono siamo è sei siete ho ha abbiamo hanno posso può possiamo vorrei "
        "vuole non perché che chi quando sì grazie ciao buongiorno molto anche con per su suo sua nostro nostra mio "
        "mia questo questa oggi domani adesso qui prego aperto aperti dalle alle si ci vi un una uno gli più cosa "
        "costa fino",
        "il lo la le i di del della dei delle da dal al alla e in nel nella san santa",
    ),
    "nl": _small(
        "spijt ik jij je wij jullie zij hij bent zijn heb hebt heeft hebben kan kunt kunnen wil wilt moet moeten niet "
        "geen maar omdat dat dit wie wanneer hoe waar waarom ja nee bedankt dank hallo ook nog voor naar bij uw ons "
        "onze mijn vandaag morgen nu hier graag alstublieft geopend uur een u wordt worden deze zou goed kosten",
        "de het van den der ter en te in op",
    ),
    "pt": _small(
        "desculpe eu você vocês nós eles elas sou somos é está estão estamos estou tenho tem temos posso pode podemos "
        "quero quer não mas porque que quem quando onde sim obrigado obrigada olá bom muito também para por seu sua "
        "nosso nossa meu minha este esta isso hoje amanhã agora aqui favor aberto abertos abrimos uma um uns até mais "
        "como às se",
        "os da das dos de e em ao à na nas nos são santo santa",
    ),
    "pl": _small(
        "ja ty wy oni jest przepraszam rozumiem są jestem jesteśmy był była mam mamy mogę może możemy chcę chce nie "
        "tak bo że kto co kiedy gdzie jak dlaczego dziękuję proszę dzień dobry cześć bardzo też także dla po przed "
        "przy pani państwa nasz nasza mój moja ta te dziś jutro teraz tutaj czy się już tylko od godziny otwarte "
        "otwarci wizytę",
        "z w i na do ul",
    ),
    "tr": _small(
        "özür dilerim sen biz siz onlar bir bu şu ve ile için ama fakat çünkü ne nasıl nerede neden evet hayır lütfen "
        "merhaba teşekkür teşekkürler ederim çok da mı mü var yok değil gibi kadar daha size sizi sizin bizim benim "
        "bugün yarın şimdi burada olarak saat saatleri açığız açık randevu günaydın iyi ister misiniz edebilir miyim",
    ),
}
"""Function words by language (ISO 639-1)."""


def another_language(text: str, wanted: str) -> bool:
    """Whether a text is surely not in the language wanted ("en", "en-GB"). Of a language without a table: never."""
    code = wanted.lower().replace("_", "-").split("-")[0]
    if code not in SMALL_WORDS:
        return False
    letters, foreign = len(_LETTERS.findall(text)), len(_NOT_LATIN.findall(text))
    if foreign >= max(2, _FOREIGN_LETTERS * letters):
        return True
    words = _TOKEN.findall(text.replace("’", "'"))
    if len(words) < _FEWEST_WORDS:
        return False
    return _in_another_latin_language(words, code)


def _in_another_latin_language(words: list[str], code: str) -> bool:
    lower = [word.lower() for word in words]
    wanted = SMALL_WORDS[code].telling | SMALL_WORDS[code].of_names
    own = sum(word in wanted and word not in _SHARED for word in lower)
    enough = max(_FEWEST_HITS, _SHARE * len(words), 2 * own + 1)
    native = sum(word[0].islower() and bool(_NATIVE.search(word)) for word in words) if code == "en" else 0
    for other, (telling, of_names) in SMALL_WORDS.items():
        if other == code:
            continue
        told = sum(word in telling and word not in wanted for word in lower)
        named = sum(word in of_names and word not in wanted and word not in telling for word in lower)
        if told + native and told + native + named >= enough:
            return True
    return False
