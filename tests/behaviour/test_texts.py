"""How a trained classifier of texts behaves."""

import json
import string
import unicodedata

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.behaviour.probes import TEXTS
from tests.behaviour.subject import Subject, share_unchanged

KIND = "texts"
ALONE = 50
SLACK = 0.1
"""CheckList's own: what a probability may move the wrong way before it counts as a fault."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def texts(subject: Subject) -> list[str]:
    return subject.samples


@pytest.fixture(scope="module")
def answers(subject: Subject, texts: list[str]) -> NDArray[np.float32]:
    return subject.ask_json(texts)


@pytest.fixture(scope="module")
def probes(subject: Subject) -> list[tuple[str, ...]]:
    """The unmistakable texts of each class."""
    if not set(subject.classes) <= set(TEXTS):
        pytest.skip(f"No texts of the classes {', '.join(subject.classes)} are known; add some to TEXTS.")
    return [TEXTS[label] for label in subject.classes]


# Minimum functionality


def test_unmistakable_texts_are_recognised(subject: Subject, probes: list[tuple[str, ...]]) -> None:
    for label, known in enumerate(probes):
        found = subject.ask_json(known)
        assert (found.argmax(axis=1) == label).all(), (subject.classes[label], known, found)


def test_each_class_is_recognised_more_often_than_not(subject: Subject, answers: NDArray[np.float32]) -> None:
    found = subject.recalls(answers)
    assert min(found.values()) >= 0.5, found


# Invariance


def test_the_way_it_is_sent_changes_nothing(subject: Subject, texts: list[str], answers: NDArray[np.float32]) -> None:
    plain = subject.ask((text.encode() for text in texts), "text/plain")
    unescaped = subject.ask(json.dumps({"inputs": text}, ensure_ascii=False).encode() for text in texts)
    assert np.array_equal(plain, answers)
    assert np.array_equal(unescaped, answers)


def test_the_way_accents_are_written_changes_nothing(
    subject: Subject, texts: list[str], answers: NDArray[np.float32]
) -> None:
    for form in ("NFC", "NFD"):
        assert np.array_equal(subject.ask_json(unicodedata.normalize(form, text) for text in texts), answers), form


def test_capitals_change_nothing_where_the_model_reads_small_letters(
    subject: Subject, texts: list[str], answers: NDArray[np.float32]
) -> None:
    if not np.array_equal(*(subject.decode(letters, "text/plain") for letters in (b"SMALL", b"small"))):
        pytest.skip("The model tells capitals from small letters.")
    capitals = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
    assert np.array_equal(subject.ask_json(text.translate(capitals) for text in texts), answers)


def test_the_company_in_a_batch_changes_no_answer(
    subject: Subject, texts: list[str], answers: NDArray[np.float32]
) -> None:
    alone = subject.alone(json.dumps({"inputs": text}).encode() for text in texts[:ALONE])
    assert np.abs(alone - answers[:ALONE]).max() <= subject.model.signature.golden_tolerance


@pytest.mark.parametrize(
    ("before", "after"), [(" ", ""), ("", " \n"), ("\n\n\t", "")], ids=["a space", "an empty line", "lines and a tab"]
)
def test_white_space_around_a_text_changes_few_answers(
    subject: Subject, texts: list[str], answers: NDArray[np.float32], before: str, after: str
) -> None:
    unchanged = share_unchanged(answers, subject.ask_json(before + text + after for text in texts))
    assert unchanged >= 0.9


def test_doubled_spaces_change_few_answers(subject: Subject, texts: list[str], answers: NDArray[np.float32]) -> None:
    unchanged = share_unchanged(answers, subject.ask_json(text.replace(" ", "  ") for text in texts))
    assert unchanged >= 0.9


def test_a_full_stop_more_or_less_changes_few_answers(
    subject: Subject, texts: list[str], answers: NDArray[np.float32]
) -> None:
    other = [text[:-1] if text.endswith(".") and len(text) > 1 else f"{text}." for text in texts]
    unchanged = share_unchanged(answers, subject.ask_json(other))
    assert unchanged >= 0.95


# Direction


def test_an_unmistakable_sentence_of_a_class_makes_it_more_likely(
    subject: Subject, probes: list[tuple[str, ...]], texts: list[str], answers: NDArray[np.float32]
) -> None:
    for label, known in enumerate(probes):
        told = subject.ask_json(f"{known[0]} {text}" for text in texts)
        worse = (told[:, label] < answers[:, label] - SLACK).mean()
        assert worse <= 0.1, (subject.classes[label], known[0])
        assert told[:, label].mean() > answers[:, label].mean() + 0.01, (subject.classes[label], known[0])
