"""Another language is told from English, and English with foreign names in it is English."""

import pytest

from client_caller.thinking.languages import SMALL_WORDS, another_language

ENGLISH = """
Your appointment with Dr. van der Berg is on Tuesday.
Herr Müller von der Deutschen Bank will call you back.
We are in the Rue de la Paix, next to the Café de Flore.
The address is Avenida de la Constitución 5, Madrid.
Hotel de la Paix, Rue de Rivoli, Paris.
Calle de la Luna, San José de los Ríos.
Via della Conciliazione, Roma, near San Pietro.
José García de la Cruz, is that right?
So that is Łukasz Wiśniewski, with a stroke through the L.
Mehmet Öztürk and Ayşe Yılmaz have both confirmed.
Thank you, Señora Muñoz.
Das Auto is a slogan of Volkswagen.
The film is called La vie est belle.
We serve crème brûlée, pâté, and piñata cake.
The jalapeño soup is à la carte.
It has a certain je ne sais quoi.
Our chef de cuisine comes from Düsseldorf.
C'est la vie, as they say.
You can say auf Wiedersehen or au revoir.
Is that Jean-Luc de la Tour?
Monday, Tuesday, Wednesday, Thursday, Friday.
Van Gogh, Van Dyck, Vermeer, Rembrandt.
Kim, Ben, Dove, and Carson.
Los Angeles, Las Vegas, San Diego, Santa Fe.
El Paso, La Paz, Los Alamos, Las Cruces.
São Paulo, Rio de Janeiro, Belo Horizonte.
Den Haag, 's-Hertogenbosch, Bergen op Zoom.
The train from Köln to Zürich leaves at nine.
Pride and Prejudice was written by Jane Austen.
Lamborghini, Ferrari, Maserati, Alfa Romeo.
Leonardo da Vinci, Michelangelo, Raffaello.
My colleague Søren Kierkegaard speaks Danish.
Sure, no problem at all.
Great, you are welcome!
I am sorry to hear that.
One moment, please.
Is there anything else?
Thirty euros a month.
Monday to Friday, eight to six.
Please unplug the router.
Yes, of course, Mrs. O'Brien.
Can you spell Szczepański for me?
The Champs-Élysées is closed on Sunday.
Do you mean Peña Nieto or Peña Prieto?
Your parcel left Montréal this morning.
The doctor's name is 李明.
Our office is in Kraków, ulica Długa.
The word żółw is Polish for turtle.
Die Zeit is a weekly paper.
Le Monde and El País are papers, too.
Ask for the tarte du jour.
We have a pied-à-terre in Nice.
Uber, Lyft, Bolt, Free Now.
Order number A B C one two three.
Dolce e Gabbana, Bottega Veneta, Salvatore Ferragamo.
A kindergarten is near the Schloss.
It was a fait accompli.
Al dente, please, with parmigiano.
Con Edison handles your power.
Her son is at the bar on Main Street.
Comment on the car, then come in.
Wie Schmidt, but with a t at the end, he said.
De la Rosa, Miguel.
Ludwig van Beethoven, Johannes Brahms, Carl Maria von Weber.
Restaurant Le Jardin des Plantes, Lyon.
Ali, Mehmet, Fatma, and Emine are here.
Nova Scotia, New Brunswick, Prince Edward Island.
Café con leche, or a café au lait?
""".strip().splitlines()

FOREIGN = """
Wir haben von acht bis achtzehn Uhr geöffnet.
Ich kann Ihnen gerne helfen.
Was kann ich für Sie tun?
Das tut mir leid, das weiß ich nicht.
Ihr Termin ist am Dienstag um drei Uhr.
Möchten Sie einen Termin vereinbaren?
Bitte warten Sie einen Moment.
Vielen Dank für Ihren Anruf und auf Wiederhören.
Können Sie das bitte noch einmal sagen?
Der Preis beträgt dreißig Euro im Monat, und es gibt keine Einrichtungsgebühr.
Nous sommes ouverts du lundi au vendredi.
Je suis désolée, je ne comprends pas.
Comment puis-je vous aider aujourd'hui ?
Votre rendez-vous est confirmé pour mardi.
Les horaires d'ouverture sont affichés sur notre site.
Pouvez-vous répéter, s'il vous plaît ?
Le prix est de trente euros par mois.
Merci beaucoup pour votre appel.
Est-ce que vous avez une question ?
C'est avec plaisir que nous vous recevrons.
Estamos abiertos de lunes a viernes.
¿En qué puedo ayudarle hoy?
Lo siento, no entiendo lo que dice.
Su cita está confirmada para el martes.
¿Puede repetirlo, por favor?
El precio es de treinta euros al mes.
Muchas gracias por su llamada.
Tenemos una cita libre mañana por la tarde.
No hay problema, le llamo más tarde.
Claro que sí, con mucho gusto.
Siamo aperti dal lunedì al venerdì.
Come posso aiutarla oggi?
Mi dispiace, non ho capito.
Il suo appuntamento è confermato per martedì.
Può ripetere, per favore?
Il prezzo è di trenta euro al mese.
Grazie mille per la sua chiamata.
Abbiamo un posto libero domani pomeriggio.
Wij zijn open van maandag tot en met vrijdag.
Waarmee kan ik u helpen vandaag?
Het spijt me, ik begrijp het niet.
Uw afspraak is bevestigd voor dinsdag.
Kunt u dat nog een keer herhalen?
De prijs is dertig euro per maand en dat is alles.
Hartelijk dank voor uw telefoontje.
Estamos abertos de segunda a sexta.
Como posso ajudar você hoje?
Desculpe, eu não entendi o que disse.
A sua consulta está confirmada para terça-feira.
Pode repetir isso, por favor?
O preço é de trinta euros por mês, e não há mais nada.
Muito obrigada pela sua chamada.
Jesteśmy otwarci od poniedziałku do piątku.
W czym mogę pani dzisiaj pomóc?
Przepraszam, nie rozumiem pytania.
Pana wizyta jest potwierdzona na wtorek.
Czy może pan to powtórzyć?
Cena wynosi trzydzieści euro miesięcznie.
Pazartesiden cumaya kadar açığız.
Size bugün nasıl yardımcı olabilirim?
Özür dilerim, sizi anlayamadım.
Randevunuz salı günü için onaylandı.
Lütfen bunu tekrar söyler misiniz?
Fiyatı ayda otuz avro ve başka ücret yok.
我们星期一到星期五营业。
好的。
Мы открыты с понедельника по пятницу.
نحن مفتوحون من الاثنين إلى الجمعة
月曜日から金曜日まで営業しています。
월요일부터 금요일까지 영업합니다.
Είμαστε ανοιχτά από Δευτέρα.
हम सोमवार से शुक्रवार तक खुले हैं।
Yes, 我们星期一到星期五营业。
""".strip().splitlines()


def test_the_lists_are_long() -> None:
    assert min(len(ENGLISH), len(FOREIGN)) >= 60


@pytest.mark.parametrize("sentence", ENGLISH)
def test_english_with_foreign_names_in_it_is_english(sentence: str) -> None:
    assert not another_language(sentence, "en")
    assert not another_language(sentence, "en-GB")


@pytest.mark.parametrize("sentence", FOREIGN)
def test_other_languages_are_not_english(sentence: str) -> None:
    assert another_language(sentence, "en")


@pytest.mark.parametrize("sentence", ["Ja, natürlich.", "Merci beaucoup.", "Sí, claro.", "7 8 9 10 11", "", "π"])
def test_few_words_are_not_judged(sentence: str) -> None:
    assert not another_language(sentence, "en")


def test_a_language_without_a_table_is_not_judged() -> None:
    assert not another_language("We are open from eight to six.", "fi")


@pytest.mark.parametrize("language", sorted(SMALL_WORDS.keys() - {"en"}))
def test_no_telling_word_of_another_language_is_english(language: str) -> None:
    english = SMALL_WORDS["en"].telling
    assert not SMALL_WORDS[language].telling & english, SMALL_WORDS[language].telling & english
