"""Messages that a native segwit address signs: BIP-322's published vectors, BIP-137, and what is no signature."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from coincurve import PrivateKey
from embit import hashes
from hypothesis import given
from hypothesis import strategies as st

from emulators.merchant_keys import signed
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.bitcoin.signed_message import bip137_digest, signed_by

VECTOR = bytes.fromhex(BitcoinAddresses("main").parse("bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l").key)
EMPTY = (
    "AkcwRAIgM2gBAQqvZX15ZiysmKmQpDrG83avLIT492QBzLnQIxYCIBaTpOaD20qRlEylyxFSeEA2ba9YOixpX8z46TSDtS40ASECx/EgAxlkQpQ9"
    "hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI="
)
HELLO = (
    "AkcwRAIgZRfIY3p7/DoVTty6YZbWS71bc5Vct9p9Fia83eRmw2QCICK/ENGfwLtptFluMGs2KsqoNSk89pO7F29zJLUx9a/sASECx/EgAxlkQpQ9"
    "hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI="
)
KEY = PrivateKey(bytes(31) + b"\x07")
SCRIPT = b"\x00\x14" + hashes.hash160(KEY.public_key.format())
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_the_vectors_of_bip_322_hold() -> None:
    assert signed_by(VECTOR, "", EMPTY)
    assert signed_by(VECTOR, "Hello World", HELLO)
    assert not signed_by(VECTOR, "Hello World", EMPTY)
    assert not signed_by(VECTOR, "Hello world", HELLO)


@given(st.text(max_size=600), st.booleans())
def test_what_a_key_signed_is_its_own_and_of_this_message_alone(message: str, simple: bool) -> None:
    signature = signed("bitcoin", KEY, message, simple=simple)
    assert signed_by(SCRIPT, message, signature)
    assert not signed_by(SCRIPT, message + ".", signature)
    assert not signed_by(VECTOR, message, signature)


@pytest.mark.parametrize("header", [27, 31, 35, 39])
def test_wallets_write_the_header_of_bip_137_in_four_ways(header: int) -> None:
    raw = KEY.sign_recoverable(bip137_digest("hello"), hasher=None)
    assert signed_by(SCRIPT, "hello", b64encode(bytes([header + raw[64]]) + raw[:64]).decode())


@given(st.binary(max_size=120))
def test_other_bytes_are_no_signature(raw: bytes) -> None:
    assert not signed_by(SCRIPT, "hello", b64encode(raw).decode())


def test_a_signature_has_one_form() -> None:
    """The other s, another kind of hash, bytes behind the end: one message, one signature."""
    raw = b64decode(signed("bitcoin", KEY, "hello"))
    high = (_ORDER - int.from_bytes(raw[33:])).to_bytes(32)
    turned = bytes([39 + ((raw[0] - 39) ^ 1)]) + raw[1:33] + high
    assert not signed_by(SCRIPT, "hello", b64encode(turned).decode())
    witness = b64decode(signed("bitcoin", KEY, "hello", simple=True))
    for wrong in (witness + b"\x00", witness[:-1], b"\x03" + witness[1:], witness[:1] + witness):
        assert not signed_by(SCRIPT, "hello", b64encode(wrong).decode())
    other_kind = witness.replace(b"\x01\x21", b"\x03\x21", 1)
    assert not signed_by(SCRIPT, "hello", b64encode(other_kind).decode())


def test_other_scripts_and_other_texts_are_no_signature() -> None:
    signature = signed("bitcoin", KEY, "hello")
    assert not signed_by(b"\x51\x20" + bytes(32), "hello", signature)
    for text in ("", "é", "=", "A" * 1_000, signature[:-4], " " + signature):
        assert not signed_by(SCRIPT, "hello", text)
