"""A merchant's payout accounts with their private keys, as a wallet holds them: gives account keys, signs, sweeps.

For local chains and tests alone. What the platform is given is `xpub`; nothing else here ever leaves the wallet.
"""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from typing import Literal

from bip_utils import Bip32KeyNetVersions, Bip32Slip10Secp256k1, Bip39SeedGenerator
from coincurve import PrivateKey

from shared.adapters.bitcoin.signed_message import bip137_digest, bip322_digest
from shared.adapters.evm.keccak import keccak256

Family = Literal["bitcoin", "evm"]
_TEST_NETWORK = Bip32KeyNetVersions(bytes.fromhex("043587cf"), bytes.fromhex("04358394"))
_MAIN_NETWORK = Bip32KeyNetVersions(bytes.fromhex("0488b21e"), bytes.fromhex("0488ade4"))
_P2WPKH_HEADER = 39
"""What BIP-137 adds to the recovery id for a native segwit address."""


@cache
def _root(seed: bytes, family: Family) -> Bip32Slip10Secp256k1:
    return Bip32Slip10Secp256k1.FromSeed(seed, _TEST_NETWORK if family == "bitcoin" else _MAIN_NETWORK)


@dataclass(frozen=True)
class MerchantAccount:
    """One account of a wallet: m/84'/1'/n' for Bitcoin's test networks, m/44'/60'/n' for EVM chains."""

    family: Family
    node: Bip32Slip10Secp256k1

    @classmethod
    def of(cls, family: Family, number: int, seed: bytes) -> MerchantAccount:
        """Return account `number` of the wallet with this seed."""
        path = f"m/84'/1'/{number}'" if family == "bitcoin" else f"m/44'/60'/{number}'"
        return cls(family, _root(seed, family).DerivePath(path))

    @classmethod
    def of_words(cls, family: Family, number: int, mnemonic: str) -> MerchantAccount:
        """Return account `number` of the wallet with these words."""
        return cls.of(family, number, _seed(mnemonic))

    @property
    def xpub(self) -> str:
        """Return the account key: what the platform is given."""
        return str(self.node.PublicKey().ToExtended())

    @property
    def xprv(self) -> str:
        """Return the private account key."""
        return str(self.node.PrivateKey().ToExtended())

    def key(self, index: int) -> PrivateKey:
        """Return the private key of receive address `index`."""
        return PrivateKey(self.node.DerivePath(f"0/{index}").PrivateKey().Raw().ToBytes())

    def sign(self, message: str, *, simple: bool = False) -> str:
        """Return what receive address 0 signs: EIP-191 on EVM, BIP-137 (or, if `simple`, BIP-322) on Bitcoin."""
        return signed(self.family, self.key(0), message, simple=simple)


@cache
def _seed(mnemonic: str) -> bytes:
    return bytes(Bip39SeedGenerator(mnemonic).Generate())


def signed(family: Family, key: PrivateKey, message: str, *, simple: bool = False) -> str:
    """Return the key's signature of a message, as its wallet writes it."""
    if family == "evm":
        text = message.encode()
        digest = keccak256(b"\x19Ethereum Signed Message:\n%d" % len(text) + text)
        raw = key.sign_recoverable(digest, hasher=None)
        return "0x" + raw[:64].hex() + f"{raw[64] + 27:02x}"
    if simple:
        return _witness(key, message)
    raw = key.sign_recoverable(bip137_digest(message), hasher=None)
    return b64encode(bytes([_P2WPKH_HEADER + raw[64]]) + raw[:64]).decode()


def _witness(key: PrivateKey, message: str) -> str:
    from embit import hashes

    public = key.public_key.format()
    script = b"\x00\x14" + hashes.hash160(public)
    signature = key.sign(bip322_digest(script, message), hasher=None) + b"\x01"
    return b64encode(b"\x02" + bytes([len(signature)]) + signature + b"\x21" + public).decode()


def fresh_accounts() -> dict[str, MerchantAccount]:
    """Return an account for each family of chains, of a wallet that nobody had before."""
    seed = os.urandom(64)
    families: tuple[Family, ...] = ("bitcoin", "evm")
    return {family: MerchantAccount.of(family, 0, seed) for family in families}
