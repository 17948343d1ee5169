"""Signatures as numbers and as DER, against vectors that others published."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from shared.adapters.bitcoin.inspection import _low
from shared.adapters.signing.crc32c import crc32c
from shared.adapters.signing.ecdsa import (
    HALF_ORDER,
    ORDER,
    SignerUntrusted,
    from_der,
    recovered,
    to_der,
    with_recovery,
)
from shared.adapters.signing.local_key import LocalKey

RFC_6979 = [
    ("01", "Satoshi Nakamoto", "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8",
     "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"),
    ("01", "All those moments will be lost in time, like tears in rain. Time to die...",
     "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b",
     "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21"),
    (f"{ORDER - 1:064x}", "Satoshi Nakamoto", "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0",
     "6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5"),
    ("f8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181", "Alan Turing",
     "7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15c",
     "58dfcc1e00a35e1572f366ffe34ba0fc47db1e7189759b9fb233c5b05ab388ea"),
]  # fmt: skip
"""Secret, message (hashed by SHA-256), r, s: the vectors of RFC 6979 on secp256k1 that Bitcoin's libraries share."""


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize(("secret", "message", "r", "s"), RFC_6979)
async def test_local_key_signs_as_rfc_6979_says(secret: str, message: str, r: str, s: str) -> None:
    key = LocalKey(bytes.fromhex(secret.rjust(64, "0")))
    signed = await key.sign(digest_of(message))
    assert signed[:2] == (int(r, 16), int(s, 16))


@pytest.mark.parametrize(("secret", "message", "r", "s"), RFC_6979)
async def test_both_forms_of_a_signature_come_to_the_low_one(secret: str, message: str, r: str, s: str) -> None:
    key = LocalKey(bytes.fromhex(secret.rjust(64, "0")))
    public, digest = await key.public_key(), digest_of(message)
    low = with_recovery(digest, int(r, 16), int(s, 16), public)
    assert with_recovery(digest, int(r, 16), ORDER - int(s, 16), public) == low
    assert low[1] <= HALF_ORDER
    assert recovered(digest, *low) == public
    assert recovered(digest, low[0], low[1], 1 - low[2]) not in (public, None)


async def test_numbers_of_every_length_keep_their_sign_in_der() -> None:
    """An r or s with its top bit set has a zero in front; a short one is shorter. Both occur within 600 signatures."""
    key = LocalKey(bytes(31) + b"\x07")
    lengths = set()
    for number in range(600):
        digest = digest_of(str(number))
        r, s, _ = await key.sign(digest)
        der = to_der(r, s)
        assert from_der(der) == (r, s)
        assert der == encode_dss_signature(r, s)
        assert _low(der)
        assert _low(to_der(r, ORDER - s)) is False
        lengths.add((der[3], der[5 + der[3]]))
    assert {(33, 32), (32, 32), (31, 32), (32, 31)} <= lengths


@pytest.mark.parametrize(
    "der",
    [
        "",
        "3006020105020107ff",
        "3106020105020107",
        "3007020105020107",
        "3005020105020107",
        "3006030105020107",
        "300602018502010 7".replace(" ", ""),
        "30070202000502010 7".replace(" ", ""),
        "3007020105020200 07".replace(" ", ""),
        "30050200020107",
        "300402000200",
        "30820006020105020107",
    ],
)
def test_der_that_is_not_strict_is_refused(der: str) -> None:
    with pytest.raises(SignerUntrusted):
        from_der(bytes.fromhex(der))
    assert not _low(bytes.fromhex(der))


@pytest.mark.parametrize(("r", "s"), [(0, 5), (5, 0), (ORDER, 5), (5, ORDER), (-5, 5), (5, -5), (ORDER + 5, 5)])
def test_numbers_beyond_the_order_are_no_signature(r: int, s: int) -> None:
    with pytest.raises(SignerUntrusted):
        with_recovery(bytes(32), r, s, b"\x02" + bytes(32))


def test_no_key_is_recovered_from_what_is_no_point() -> None:
    found = [recovered(bytes(32), r, 5, recovery) for r in range(1, 40) for recovery in (0, 1)]
    assert None in found
    assert any(found)


@pytest.mark.parametrize(
    ("message", "checksum"),
    [
        (b"123456789", 0xE3069283),
        (b"", 0),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_checksums_are_those_of_rfc_3720(message: bytes, checksum: int) -> None:
    assert crc32c(message) == checksum
