"""What every signer does, the local key and Cloud KMS alike; and what Cloud KMS must not get away with."""

import asyncio
import secrets
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from eth_keys.datatypes import Signature

from shared.adapters.resilience import Limits, Outage
from shared.adapters.signing.cloud_kms import CloudKms, SignerRefused
from shared.adapters.signing.ecdsa import HALF_ORDER, ORDER, SignerUntrusted
from shared.adapters.signing.google_token import MetadataTokens
from shared.adapters.signing.local_key import LocalKey
from shared.kernel.errors import Transient
from shared.payments.spending import Signer
from tests.contracts.kms_server import NAME, Answer, Fault, Kms, kms_server, signature_of

LIMITS = Limits(timeout_s=0.5, attempts=3, first_pause_s=0.001, failures=100)
DIGESTS = [bytes(32), b"\xff" * 32, bytes(31) + b"\x01", *(secrets.token_bytes(32) for _ in range(30))]


@pytest.fixture
def kms() -> Iterator[Kms]:
    with kms_server() as kms:
        yield kms


def opened(kms: Kms) -> CloudKms:
    return CloudKms(NAME, MetadataTokens(kms.url), url=kms.url, limits=LIMITS)


@pytest.fixture(params=["local", "kms", "kms, high s", "kms, low s"])
async def signer(request: pytest.FixtureRequest) -> AsyncIterator[Signer]:
    if request.param == "local":
        yield LocalKey(secrets.token_bytes(32))
        return
    kms: Kms = request.getfixturevalue("kms")
    kms.high_s = {"kms": None, "kms, high s": True, "kms, low s": False}[request.param]
    cloud = opened(kms)
    yield cloud
    await cloud.close()


async def test_public_key_is_a_compressed_point_and_stays(signer: Signer) -> None:
    key = await signer.public_key()
    assert len(key) == 33
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), key)
    assert await signer.public_key() == key


async def test_signatures_verify_elsewhere_are_low_and_recover_the_key(signer: Signer) -> None:
    key = await signer.public_key()
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), key)
    recoveries = set()
    for digest in DIGESTS:
        r, s, recovery = await signer.sign(digest)
        assert 0 < s <= HALF_ORDER
        point.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(SHA256())))
        assert Signature(vrs=(recovery, r, s)).recover_public_key_from_msg_hash(digest).to_compressed_bytes() == key
        recoveries.add(recovery)
    assert recoveries == {0, 1}


async def test_only_digests_are_signed(signer: Signer) -> None:
    for wrong in (b"", bytes(31), bytes(33), b"a message of some length, not hashed"):
        with pytest.raises(ValueError, match="32"):
            await signer.sign(wrong)


async def test_many_at_once_get_their_own_signatures(signer: Signer) -> None:
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), await signer.public_key())
    for digest, (r, s, _) in zip(DIGESTS, await asyncio.gather(*map(signer.sign, DIGESTS)), strict=True):
        point.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(SHA256())))


def changed(**members: object) -> Fault:
    return lambda answer: {**answer, **members}


def without(member: str) -> Fault:
    return lambda answer: {name: value for name, value in answer.items() if name != member}


def flipped(answer: Answer) -> Answer:
    """One bit of the signature, on the way."""
    der = bytearray(b64decode(str(answer["signature"])))
    der[10] ^= 1
    return {**answer, "signature": signature_of(bytes(der))["signature"]}


@pytest.mark.parametrize(
    "fault",
    [
        flipped,
        changed(signatureCrc32c="1"),
        changed(verifiedDigestCrc32c=False),
        without("verifiedDigestCrc32c"),
        without("signatureCrc32c"),
        changed(signature="%%%"),
        lambda _: 503,
        lambda _: 429,
        lambda _: 500,
        lambda _: None,
    ],
)
async def test_what_is_garbled_busy_or_slow_is_asked_again_and_never_used(kms: Kms, fault: Fault) -> None:
    cloud = opened(kms)
    await cloud.public_key()
    kms.faults += [fault, fault]
    assert await cloud.sign(DIGESTS[0])
    kms.faults += [fault, fault, fault]
    with pytest.raises(Outage):
        await cloud.sign(DIGESTS[0])
    await cloud.close()


def of_another_key(_: Answer) -> Answer:
    der = ec.generate_private_key(ec.SECP256K1()).sign(DIGESTS[0], ec.ECDSA(Prehashed(SHA256())))
    return {**signature_of(der), "verifiedDigestCrc32c": True, "name": NAME}


def as_answer(der: bytes) -> Fault:
    return lambda answer: {**answer, **signature_of(der)}


@pytest.mark.parametrize(
    "fault",
    [
        changed(name=NAME[:-1] + "2"),
        of_another_key,
        as_answer(b""),
        as_answer(b"\x30\x06\x02\x01\x00\x02\x01\x01"),  # r = 0
        as_answer(encode_dss_signature(5, ORDER + 1)),
        as_answer(encode_dss_signature(5, 7) + b"\0"),
        as_answer(b"\x30\x07\x02\x02\x00\x05\x02\x01\x07"),  # r with a zero too many
        as_answer(b"\x30\x06\x02\x01\x85\x02\x01\x07"),  # r negative
    ],
)
async def test_what_is_no_signature_of_this_key_raises_the_alarm(kms: Kms, fault: Fault) -> None:
    cloud = opened(kms)
    kms.faults += [lambda answer: answer, fault]
    with pytest.raises(SignerUntrusted):
        await cloud.sign(DIGESTS[0])
    assert kms.signed == 1
    await cloud.close()


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (changed(pemCrc32c="1"), Outage),
        (changed(name="projects/other"), SignerUntrusted),
        (changed(algorithm="EC_SIGN_P256_SHA256"), SignerUntrusted),
        (lambda _: 403, SignerRefused),
        (lambda _: 404, SignerRefused),
    ],
)
async def test_public_key_that_is_in_doubt_is_not_taken(kms: Kms, fault: Fault, raised: type[Exception]) -> None:
    cloud = opened(kms)
    kms.faults += [fault] * 3
    with pytest.raises(raised):
        await cloud.public_key()
    kms.faults.clear()
    assert await cloud.public_key()
    await cloud.close()


async def test_key_on_another_curve_is_refused(kms: Kms) -> None:
    kms.key = ec.generate_private_key(ec.SECP256R1())
    cloud = opened(kms)
    with pytest.raises(SignerUntrusted, match="secp256k1"):
        await cloud.public_key()
    await cloud.close()


async def test_refused_token_is_replaced_once_and_a_good_one_kept(kms: Kms) -> None:
    cloud = opened(kms)
    await cloud.public_key()
    for _ in range(3):
        await cloud.sign(DIGESTS[0])
    assert kms.tokens == 1
    kms.revoked.add("token-1")
    await cloud.sign(DIGESTS[0])
    assert kms.tokens == 2
    kms.revoked |= {f"token-{number}" for number in range(100)}
    with pytest.raises(SignerRefused, match="401"):
        await cloud.sign(DIGESTS[0])
    await cloud.close()


async def test_token_is_renewed_before_it_ends(kms: Kms) -> None:
    now = 0.0
    tokens = MetadataTokens(kms.url, clock=lambda: now)
    assert await tokens.token() == "token-1"
    now = 3600 - 121
    assert await tokens.token() == "token-1"
    now = 3600 - 119
    assert await tokens.token() == "token-2"
    await tokens.close()


async def test_kms_or_metadata_server_that_is_down_is_a_transient_error(kms: Kms) -> None:
    nobody = "http://127.0.0.1:9"
    for cloud in (
        CloudKms(NAME, MetadataTokens(kms.url), url=nobody, limits=LIMITS),
        CloudKms(NAME, MetadataTokens(nobody), url=kms.url, limits=LIMITS),
    ):
        with pytest.raises(Transient):
            await cloud.sign(DIGESTS[0])
        await cloud.close()
