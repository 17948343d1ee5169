"""Sign-in messages: one reading, checked against domain, chain and time; signatures that can't be bent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.evm.personal_sign import PersonalSignatures
from shared.wallets import siwe
from tests.signing import DOMAIN, NOW, PERSON, message, signature_of

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def accepted(text: str, *, now: datetime = NOW) -> siwe.Message:
    parsed = siwe.parse(text)
    siwe.check(parsed, domain=DOMAIN, chain_ids=frozenset({1, 31337}), now=now)
    return parsed


def test_a_message_says_what_it_says() -> None:
    parsed = accepted(message(nonce="abcdefgh12345678"))
    assert (parsed.address, parsed.chain_id, parsed.nonce) == (PERSON.address, 31337, "abcdefgh12345678")
    assert parsed.issued_at == NOW


def test_the_example_of_the_standard_is_read() -> None:
    text = (
        "example.com wants you to sign in with your Ethereum account:\n"
        "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n\n"
        "I accept the ExampleOrg Terms of Service: https://example.com/tos\n\n"
        "URI: https://example.com/login\nVersion: 1\nChain ID: 1\nNonce: 32891756\n"
        "Issued At: 2021-09-30T16:25:24Z\n"
        "Resources:\n- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/\n"
        "- https://example.com/my-web2-claim.json"
    )
    parsed = siwe.parse(text)
    siwe.check(parsed, domain="example.com", chain_ids=frozenset({1}), now=parsed.issued_at)
    assert parsed.nonce == "32891756"


@pytest.mark.parametrize(
    "text",
    [
        message(statement=None),
        message(scheme="https://"),
        message(tail="\nExpiration Time: 2026-05-06T12:05:00.5+00:00"),
        message(tail="\nNot Before: 2026-05-06T13:59:00+02:00\nRequest ID: a-1\nResources:"),
    ],
)
def test_optional_parts_are_optional(text: str) -> None:
    accepted(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (message(domain="evil.example"), "domain"),
        (message(domain=f"{DOMAIN}.evil.example", uri=f"https://{DOMAIN}.evil.example/"), "domain"),
        (message(scheme="http://"), "domain"),
        (message(uri="https://evil.example/"), "URI"),
        (message(uri=f"https://{DOMAIN}@evil.example/"), "URI"),
        (message(uri=f"http://{DOMAIN}/"), "URI"),
        (message(uri="https://[::1/"), "URI"),
        (message(version="2"), "version 1"),
        (message(chain_id="137"), "chain"),
        (message(issued_at="2026-05-06T12:02:00Z"), "future"),
        (message(issued_at="2026-05-06T11:49:59Z"), "too old"),
        (message(tail="\nExpiration Time: 2026-05-06T12:00:00Z"), "expired"),
        (message(tail="\nNot Before: 2026-05-06T12:00:01Z"), "not good yet"),
    ],
)
def test_a_message_that_is_not_for_us_or_not_now_is_refused(text: str, why: str) -> None:
    with pytest.raises(siwe.SignInRefused, match=why):
        accepted(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        message() + "\n",
        "\n" + message(),
        message().replace("\n", "\r\n"),
        message().replace("Version: 1", "Version: 1\nVersion: 1"),
        message().replace("URI: ", "uri: "),
        message().replace("Chain ID: 31337", "Chain ID: 031337"),
        message().replace("Chain ID: 31337", "Chain ID: 31337.0"),
        message().replace("Issued At: 2026-05-06T12:00:00Z", "Issued At: 2026-05-06 12:00:00"),
        message().replace("Issued At: 2026-05-06T12:00:00Z", "Issued At: 2026-02-30T12:00:00Z"),
        message().replace("Issued At: 2026-05-06T12:00:00Z", "Issued At: 2026-05-06T12:00:00"),
        message(nonce="short"),
        message(nonce="with-hyphen-1234"),
        message(statement="two\nlines"),
        message(statement="look-alike: сortado"),
        message(statement="nul\0"),
        message().replace(PERSON.address, PERSON.address[:-1]),
        message(tail="\nNot Before: 2026-05-06T12:00:00Z\nExpiration Time: 2026-05-06T12:00:00Z"),
        message(tail="\nAnything: else"),
        "cortado.example wants you to sign in with your Ethereum account:\n" * 50,
    ],
)
def test_what_the_grammar_does_not_allow_is_no_message(text: str) -> None:
    with pytest.raises(siwe.MalformedMessage):
        siwe.parse(text)


@given(st.text(max_size=400))
def test_no_text_breaks_the_parser(text: str) -> None:
    with pytest.raises(siwe.MalformedMessage):
        siwe.parse(text)


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(["Z", "+14:00", "-14:00"]))
def test_no_time_breaks_the_check(moment: datetime, zone: str) -> None:
    text = message(issued_at=moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + zone)
    try:
        accepted(text)
    except (siwe.SignInRefused, siwe.MalformedMessage):
        return
    assert abs(moment - NOW) < timedelta(days=2)


def test_the_signer_is_recovered_with_its_checksum() -> None:
    text = message()
    assert PersonalSignatures().signer(text, signature_of(text)) == PERSON.address


def test_a_tampered_message_has_another_signer() -> None:
    text = message()
    assert PersonalSignatures().signer(text.replace("Nonce: a", "Nonce: b"), signature_of(text)) != PERSON.address


def test_somebody_elses_signature_names_somebody_else() -> None:
    other = Account.create()
    text = message()
    assert PersonalSignatures().signer(text, signature_of(text, other)) == other.address


def test_the_other_signature_that_verifies_too_is_refused() -> None:
    text = message()
    raw = bytes.fromhex(signature_of(text)[2:])
    mirrored = raw[:32] + (ORDER - int.from_bytes(raw[32:64])).to_bytes(32) + bytes([55 - raw[64]])
    assert Account.recover_message(encode_defunct(text=text), signature=raw) == PERSON.address
    assert PersonalSignatures().signer(text, "0x" + mirrored.hex()) is None


@pytest.mark.parametrize("v", [0, 1, 2, 26, 29, 30, 255])
def test_v_is_27_or_28(v: int) -> None:
    text = message()
    assert PersonalSignatures().signer(text, signature_of(text)[:-2] + f"{v:02x}") is None


@pytest.mark.parametrize(
    "signature", ["", "0x", "0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "00" * 64 + "1b", "zz" * 66]
)
def test_what_is_no_signature_has_no_signer(signature: str) -> None:
    assert PersonalSignatures().signer(message(), signature) is None
