"""Text: composed, bounded, readable; what can't be stored or read never gets in."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis.strategies import characters, text
from pydantic import TypeAdapter, ValidationError

from shared.kernel.text import Label, Line, Name, Note, Sku

NOTE, LINE, NAME, LABEL, SKU = (TypeAdapter[str](kind) for kind in (Note, Line, Name, Label, Sku))


@given(text(max_size=600))
def test_a_note_is_refused_or_comes_out_composed_storable_and_no_longer_than_allowed(told: str) -> None:
    try:
        note = NOTE.validate_python(told)
    except ValidationError:
        return
    assert unicodedata.is_normalized("NFC", note)
    assert len(note) <= 500
    assert "\x00" not in note
    note.encode()
    assert NOTE.validate_python(note) == note


@given(text(characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=60))
def test_letters_digits_marks_and_signs_of_any_script_are_kept(told: str) -> None:
    assert NOTE.validate_python(told) == unicodedata.normalize("NFC", told)


@pytest.mark.parametrize(
    "told", ["\x00", "a\x1bb", "\x7f", "\x85", "\ud800", "\ue000", "\uffff", "\u202e", "\u2028", "\t"]
)
def test_what_nobody_can_read_is_refused(told: str) -> None:
    for kind in (NOTE, LINE, NAME, LABEL):
        with pytest.raises(ValidationError):
            kind.validate_python(f"a{told}b")


@pytest.mark.parametrize(
    "told", ["抹茶ラテ", "قهوة", "Röstkaffee №1", "👩🏽‍🍳", "\U0001fae8", "\U0001faea", "zwölf\u00a0Uhr"]
)
def test_names_of_all_kinds_and_emoji_of_tomorrow_are_taken(told: str) -> None:
    assert NAME.validate_python(told) == told


def test_line_feeds_are_for_notes_alone() -> None:
    assert NOTE.validate_python("one\ntwo") == "one\ntwo"
    for kind in (LINE, NAME, LABEL):
        with pytest.raises(ValidationError):
            kind.validate_python("one\ntwo")


def test_a_name_is_trimmed_and_never_blank() -> None:
    assert NAME.validate_python("  Bohne ") == "Bohne"
    for blank in ("", " ", "\u00a0\u2003"):
        with pytest.raises(ValidationError):
            NAME.validate_python(blank)
    assert LINE.validate_python(" ") == ""


def test_text_that_composing_makes_longer_is_measured_afterwards() -> None:
    grows = "\ufb2c" * 40  # one character that NFC writes as three
    assert len(unicodedata.normalize("NFC", grows)) == 120
    with pytest.raises(ValidationError):
        LABEL.validate_python(grows)


@pytest.mark.parametrize("told", [1, 1.0, None, b"bytes", ["list"]])
def test_only_text_is_text(told: object) -> None:
    for kind in (NOTE, LINE, NAME, LABEL, SKU):
        with pytest.raises(ValidationError):
            kind.validate_python(told)


@given(text(max_size=45))
def test_a_sku_is_what_can_stand_unquoted_anywhere(told: str) -> None:
    try:
        sku = SKU.validate_python(told)
    except ValidationError:
        return
    assert 1 <= len(sku) <= 40
    assert set(sku) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not sku.startswith("-")
