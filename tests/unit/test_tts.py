"""Text-to-speech on SISE's codec: phones of texts, training examples, sampling, chunks, checkpoints."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("dac", reason="needs the extra `dac`")

from restorebench.benchmark import registry  # noqa: E402
from restorebench.benchmark.audio import read, resample  # noqa: E402
from restorebench.benchmark.components import synthesizer_card, why_not  # noqa: E402
from restorebench.benchmark.contracts import SpeechRequest  # noqa: E402
from restorebench.benchmark.core.seeds import generator  # noqa: E402
from restorebench.benchmark.data.locations import BUNDLE  # noqa: E402
from restorebench.benchmark.errors import AudioError, RequestError  # noqa: E402
from restorebench.benchmark.types import Audio  # noqa: E402
from restorebench.systems.checkpoints import bundled  # noqa: E402
from restorebench.systems.sise.codec import FactorisedCodec  # noqa: E402
from restorebench.systems.sise.config import CodecConfig  # noqa: E402
from restorebench.systems.sise.load import load_codec  # noqa: E402
from restorebench.systems.sise.phonemes import IGNORED, NAMED_SETS, SILENCE, PhoneSet  # noqa: E402
from restorebench.systems.training import checkpoint  # noqa: E402
from restorebench.systems.training.config import load_config  # noqa: E402
from restorebench.systems.training.data import PairStream, collate  # noqa: E402
from restorebench.systems.training.loop import launch_fabric  # noqa: E402
from restorebench.systems.training.recordings import recordings_of  # noqa: E402
from restorebench.systems.tts.masks import draw_layer, draw_mask, padded, phones_of_frames  # noqa: E402
from restorebench.systems.tts.sampling import say  # noqa: E402
from restorebench.systems.tts.task import TtsTask, hide, lengths  # noqa: E402
from restorebench.systems.tts.text import phones_of_text  # noqa: E402
from restorebench.systems.tts.voice import Voice  # noqa: E402
from tests.tiny import TTS, quietly, random_tts, run_config, trained  # noqa: E402

PHONES = PhoneSet(NAMED_SETS["arpabet-pinyin"])
CLIP = Audio(read(BUNDLE / "slt_04.flac").samples[:32_000], 16_000)


def request(seed: int = 1, text: str = "Take the winding path.", **changed: object) -> SpeechRequest:
    fields = {"prompt": CLIP, "prompt_text": "the young kid", "text": text, "language": "en", "seed": seed}
    return SpeechRequest(**{**fields, **changed})  # type: ignore[arg-type]


def phone_names(text: str, language: str) -> str:
    return " ".join("_" if p == SILENCE else PHONES.names[p - 2] for p in phones_of_text(text, language, PHONES))


def test_texts_give_the_expected_phones() -> None:
    assert phone_names("Speech, restored!", "en") == "S P IY CH _ _ R IH S T AO R D _ _ _ _"
    assert phone_names("It’s well-known", "en") == "IH T S W EH L N OW N"
    assert phone_names("caf\u00e9 na\u00efve", "en") == phone_names("cafe naive", "en")
    assert phone_names("zxqv", "en") == "Z K S K V"  # as the aligner guesses a word that the dictionary lacks
    assert phone_names("吃饭，知道。", "zh") == "ch iii f an _ _ zh iii d ao _ _ _ _"
    assert phone_names("四十", "zh") == "s ii sh iii"


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("room 101", "en", "has digits (101)"),
        ("...", "en", "no words that can be read"),
        ("他们 say", "en", "cannot be read in English"),
        ("他们 say", "zh", "'say' cannot be read in Mandarin"),
        ("bonjour", "fr", "texts in 'fr' cannot be read"),
        ("hello \u041f\u0440\u0438\u0432\u0435\u0442", "en", "cannot be read in English"),
        ("fifty % of it", "en", "'%' cannot be read in English"),
        ("\u4ef7\u683c\u662f\uff13\u5143", "zh", "has digits (3)"),
        ("\u3053\u3093\u306b\u3061\u306f", "zh", "cannot be read in Mandarin"),
        ("\u3400", "zh", "cannot be read in Mandarin"),
    ],
)
def test_a_text_that_cannot_be_read_is_an_error(text: str, language: str, words: str) -> None:
    with pytest.raises(AudioError, match=re.escape(words)):
        phones_of_text(text, language, PHONES)


def test_a_voice_without_pinyin_reads_no_mandarin() -> None:
    with pytest.raises(AudioError, match="its phone set lacks 'zh'"):
        phones_of_text("他们", "zh", PhoneSet())


def test_frame_labels_give_phones_and_pauses() -> None:
    """50 frames per second: a run of one label is a phone, each full 0.1 s of silence a pause, shorter silence none."""
    assert [len(phones_of_frames(np.array([0] * frames), 0.02)) for frames in (4, 5, 15, 30, 60)] == [0, 1, 3, 6, 12]
    labels = np.array([0] * 11 + [5] * 3 + [0] * 4 + [7, 7, 8] + [0] * 5)
    runs = phones_of_frames(labels, 0.02)
    assert [run.phone for run in runs] == [0, 0, 5, 7, 8, 0]
    assert [(run.start, run.end) for run in runs] == [(0, 5.5), (5.5, 11), (11, 14), (18, 20), (20, 21), (21, 26)]
    assert [run.middle for run in runs] == [2.25, 7.75, 12, 18.5, 20, 23]
    assert lengths(runs) == [0, 5.5, 3, 2, 1, 0], "the first and the last phone may be cut"
    assert phones_of_frames(np.full(9, IGNORED), 0.02) == []
    assert padded([[3, 4], []]).tolist() == [[3, 4], [-1, -1]]


@given(st.integers(0, 10_000), st.sampled_from(["semantic", "acoustic"]), st.integers(2, 400), st.floats(0, 1))
def test_masks_hide_frames_after_the_prompt(seed: int, stage: str, frames: int, unconditional: float) -> None:
    mask = draw_mask(np.random.default_rng(seed), stage, frames, unconditional)
    assert mask.masked.any()
    assert not mask.masked[: mask.prompt].any()
    assert mask.prompt == 0 or 5 <= mask.prompt < (0.4 if stage == "semantic" else 0.5) * frames


def test_masks_and_layers_are_drawn_with_the_expected_probabilities() -> None:
    """Prompts in 85 % of the crops; the first of 5 layers is drawn 5 times as often as the last."""
    rng = np.random.default_rng(0)
    masks = [draw_mask(rng, "semantic", 300, 0.15) for _ in range(4000)]
    assert np.mean([mask.prompt > 0 for mask in masks]) == pytest.approx(0.85, abs=0.02)
    shares = [mask.masked[mask.prompt :].mean() for mask in masks]
    u = np.linspace(0, 1, 100_001)
    assert np.mean(shares) == pytest.approx(np.maximum(np.sin(np.pi / 2 * u), 0.2).mean(), abs=0.01)
    counts = np.bincount([draw_layer(rng, 5) for _ in range(9000)])
    assert counts / 9000 == pytest.approx(np.array([5, 4, 3, 2, 1]) / 15, abs=0.02)


def test_hide_keeps_the_prompt_and_earlier_layers() -> None:
    """For layer 1: the prompt is known in every layer, layer 0 is known, and layer 2 is hidden after the prompt."""
    codes = torch.arange(12).view(1, 3, 4)
    masked = torch.tensor([[False, False, True, False]])
    shown = hide(codes, torch.tensor([1]), masked, torch.tensor([2]), 99)
    assert shown[0].tolist() == [[0, 1, 2, 3], [4, 5, 99, 7], [8, 9, 99, 99]]


@pytest.fixture(scope="module")
def checkpoint_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It has a frame codec, because random weights of DAC's encoder give the same codes for every sound."""
    codec = {"random": {"frames": {"width": 32}}}
    return random_tts(tmp_path_factory.mktemp("tts") / "tts.safetensors", tokenizer=codec)


def test_equal_seeds_give_equal_samples(checkpoint_file: Path) -> None:
    """Other sentences in the batch change nothing. The length follows from the speaking rate of the prompt."""
    tts = registry.create("synthesizers", f"sise-tts@{checkpoint_file}")
    first, _, again = tts.synthesize([request(1), request(2), request(1)])
    [alone] = tts.synthesize([request(1)])
    assert np.array_equal(first.samples, again.samples)
    assert np.array_equal(first.samples, alone.samples)
    assert not np.array_equal(first.samples, tts.synthesize([request(2)])[0].samples)
    before, sentence = (phones_of_text(text, "en", PhoneSet()) for text in ("the young kid", "Take the winding path."))
    assert len(first.samples) == 320 * round(100 * (2 + len(sentence)) / len(before)), (
        "2 phones are the break before the sentence"
    )


def test_another_prompt_changes_the_speech(checkpoint_file: Path) -> None:
    tts = registry.create("synthesizers", f"sise-tts@{checkpoint_file}")
    other = Audio(read(BUNDLE / "rms_03.flac").samples[:32_000], 16_000)
    first, second = tts.synthesize([request(), request(prompt=other)])
    assert not np.array_equal(first.samples, second.samples)


def test_every_phone_changes_the_logits(checkpoint_file: Path) -> None:
    """Logits are compared because the tokens of random weights hardly depend on the text."""
    model = Voice(checkpoint_file, "cpu").model.semantic
    masked = torch.full((1, 40), model.mask_code)
    phones = torch.arange(2, 14)[None]
    logits = model(masked, phones, None)
    for position in range(12):
        other = phones.clone()
        other[0, position] = 30
        assert (model(masked, other, None) - logits).abs().max() > 1e-4


def test_a_prompt_of_another_rate_is_resampled(checkpoint_file: Path) -> None:
    tts = registry.create("synthesizers", f"sise-tts@{checkpoint_file}")
    faster = Audio(resample(CLIP.samples, 16_000, 24_000), 24_000)
    speech = tts.synthesize([request(prompt=faster)])[0]
    assert speech.rate == 16_000
    assert len(speech.samples) == len(tts.synthesize([request()])[0].samples)


def test_a_sentence_of_more_than_60_s_is_an_error(checkpoint_file: Path) -> None:
    tts = registry.create("synthesizers", f"sise-tts@{checkpoint_file}")
    with pytest.raises(AudioError, match="at most 60 s are said"):
        tts.synthesize([request(prompt_text="a", text="take " * 200)])


def test_the_length_of_a_sentence_follows_from_its_phones(checkpoint_file: Path, tmp_path: Path) -> None:
    """A model without durations counts the phones; one with durations sums them. Both scale to the prompt's rate."""
    assert Voice(checkpoint_file, "cpu").timing([5] * 60, 20, 100) == (None, 200)
    file = random_tts(tmp_path / "tts.safetensors", model={"positions": "durations"})
    voice = Voice(file, "cpu")
    assert voice.model.durations is not None
    phones = [5, 9, 2, 2, 30, 17, 5, 6]
    middles, frames = voice.timing(phones, 3, 40)
    predicted = voice.model.durations(torch.tensor([phones]))[0].exp()
    assert frames == round(40 * float(predicted[3:].sum() / predicted[:3].sum()))
    assert middles is not None
    assert middles[0] == pytest.approx(40 * float(predicted[0] / predicted[:3].sum()) / 2 - 0.5)
    assert middles[-1] < 40 + frames
    assert middles == sorted(middles)
    assert len(voice.say(request()).samples) > 0


@pytest.mark.parametrize("chunk", [1, 7, 25, 1000])
@pytest.mark.parametrize("kind", ["frames", "dac"])
def test_audio_decoded_in_chunks_equals_audio_decoded_at_once(kind: str, chunk: int) -> None:
    torch.manual_seed(0)
    if kind == "frames":
        codec = load_codec(bundled("sise-codec-nano"))
    else:
        codec = FactorisedCodec(CodecConfig(encoder_dim=4, decoder_dim=64)).eval()
    codes = torch.randint(0, 1024, (2, 6, 101))
    with torch.inference_mode():
        pieces = list(codec.decode_chunks(codes, chunk))
        whole = codec.decode(codes)
    assert len(pieces) == -(-101 // chunk)
    assert torch.cat(pieces, 1).shape == whole.shape
    assert (torch.cat(pieces, 1) - whole).abs().max() < 1e-4
    assert whole.abs().max() > 0.01


def test_a_streamed_sentence_equals_the_whole_sentence(checkpoint_file: Path) -> None:
    voice = Voice(checkpoint_file, "cpu")
    whole, pieces = voice.say(request()), list(voice.stream(request(), chunk_s=0.2))
    assert len(pieces) > 3
    assert np.abs(np.concatenate([piece.samples for piece in pieces]) - whole.samples).max() < 1e-4


def test_options_change_the_speech_and_the_identity(checkpoint_file: Path) -> None:
    """Options in the name change the sampling and the identity, which is part of every speech key."""
    plain = synthesizer_card(f"sise-tts@{checkpoint_file}")
    other = synthesizer_card(f"sise-tts@{checkpoint_file}?guidance=0")
    assert plain.identity != other.identity
    assert plain.languages == ("en",)
    assert plain.parameters
    assert "name a checkpoint: sise-tts@FILE" in why_not("synthesizers", "sise-tts")
    with pytest.raises(RequestError, match="guidance"):
        registry.create("synthesizers", f"sise-tts@{checkpoint_file}?guidance=-1")
    with pytest.raises(RequestError, match="train it"):
        registry.create("synthesizers", "sise-tts")
    synthesizers = [
        registry.create("synthesizers", f"sise-tts@{checkpoint_file}{options}") for options in ("", "?guidance=0")
    ]
    first, second = (tts.synthesize([request()])[0] for tts in synthesizers)
    assert not np.array_equal(first.samples, second.samples)


def test_another_kind_of_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="kind 'sise', wanted 'tts'"):
        registry.create("synthesizers", f"sise-tts@{bundled('sise-nano')}")


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"tokenizer": {"random": {"semantic": False}}}, "no semantic layer"),
        ({"data": {"seconds": 0.5}}, "data.seconds = model.seconds"),
        ({"sampling": {"acoustic_steps": [3]}}, "1 acoustic layers, the codec has 2"),
        ({"labels": {"phones": "mfa-en-zh"}}, "not the same phone set"),
    ],
)
def test_a_config_that_cannot_be_run_is_refused(tables: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        TtsTask(run_config(TTS, **tables))


def test_training_writes_a_checkpoint_that_speaks(tmp_path: Path) -> None:
    """Resumed training gives the same weights as training without a stop."""
    whole = run_config(TTS, training={"steps": 4, "validate_every": 2})
    half = run_config(TTS, training={"steps": 2, "validate_every": 2})
    file = trained(tmp_path / "whole", whole)
    trained(tmp_path / "halves", half)
    resumed = trained(tmp_path / "halves", whole, resume=True)
    first, second = (checkpoint.read(path, "tts").tensors for path in (file, resumed))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert {path.name.partition("-")[2] for path in (tmp_path / "whole" / "audio").rglob("*-said.wav")}
    assert len(Voice(file, "cpu").say(request()).samples) > 0


def test_small_stages_overfit_one_sentence(tmp_path: Path) -> None:
    """Given the start of the sentence, each stage then gives more than 95 % of the original tokens of the rest."""
    sentence = [{"reader": "demo", "options": {"ids": ["slt_04"]}}]
    speech = {"speech": sentence, "validation": [], "material": "", "seconds": 3.0}
    run = load_config("nano/sise-tts")
    fast = {"ema": 0.0, "warm_up": 10, "decay": "constant", "rate": 4e-3, "batch": 8, "precision": "32-true"}
    codec = {"checkpoint": str(bundled("sise-codec-nano"))}
    small = {"width": 96, "heads": 2, "blocks": 3, "feed_forward": 192}
    model = {"seconds": 3.0, "unconditional": 0.0, "semantic": small, "acoustic": small}
    tables = {"data": speech, "training": fast, "tokenizer": codec, "model": model}
    run = run_config(run.model_dump(mode="json"), **tables)
    torch.manual_seed(0)
    task = TtsTask(run)
    recordings = recordings_of(run.data.speech, None, quietly)
    task.prepare_stream("train", recordings, tmp_path, quietly)
    task.setup(launch_fabric(run))
    crop = collate([PairStream(run.data, task.rate, recordings, 0, "train")[0]] * 8)
    codes = task.codec.encode(crop["clean"][:1])[0]
    spoken = phones_of_frames(task._frame_labels(crop, 150, "train")[0], 0.02)
    phones, middles = [phone.phone for phone in spoken], [phone.middle for phone in spoken]
    settings = task.sampling.model_copy(update={"guidance": 0.0})
    for step in range(300):
        task.step([{**crop, "index": torch.arange(8) + 8 * step}], step)
        if step >= 100 and step % 20 == 0:
            tokens = say(task.module.eval(), codes[:, :40], phones, middles, 110, generator("test"), settings)
            accuracies = (tokens == codes[:, 40:]).float().mean(1)
            if min(accuracies[0], accuracies[1:].mean()) > 0.95:
                break
    assert accuracies[0] > 0.95
    assert accuracies[1:].mean() > 0.95
