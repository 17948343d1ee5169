"""Bitcoin addresses: receive addresses from an account key, and the two ways between address and script.

The watch key of an address is its scriptPubKey in lower-case hex, because outputs are matched by script: one
script can be written as more than one text. Source: BIP-84, BIP-173, BIP-350.
"""

from dataclasses import dataclass

from embit import base58, bech32, hashes

from shared.adapters.bitcoin.extended_key import receive_branch
from shared.kernel.errors import Invalid
from shared.payments.chain import ReceiveAddress

MAX_ADDRESS = 90


@dataclass(frozen=True, slots=True)
class Network:
    """How addresses and account keys of a network are written. `name` is what the node calls it."""

    name: str
    human_part: str
    p2pkh: int
    p2sh: int
    account_prefixes: frozenset[str]


_MAIN = frozenset({"xpub", "zpub"})
_TEST = frozenset({"tpub", "vpub"})
NETWORK_BY_NAME = {
    network.name: network
    for network in (
        Network("main", "bc", 0x00, 0x05, _MAIN),
        Network("test", "tb", 0x6F, 0xC4, _TEST),
        Network("testnet4", "tb", 0x6F, 0xC4, _TEST),
        Network("signet", "tb", 0x6F, 0xC4, _TEST),
        Network("regtest", "bcrt", 0x6F, 0xC4, _TEST),
    )
}


class BitcoinAddresses:
    """The addresses of one network. Fulfils `shared.payments.chain.Addresses`."""

    def __init__(self, network: str) -> None:
        if network not in NETWORK_BY_NAME:
            raise Invalid(f"no Bitcoin network {network!r}: one of {', '.join(NETWORK_BY_NAME)}")
        self._network = NETWORK_BY_NAME[network]

    def receive(self, account_key: str, index: int) -> ReceiveAddress:
        """Return native segwit (P2WPKH) receive address `index` of a BIP-84 account: path `0/index`."""
        key = receive_branch(account_key, self._network.account_prefixes).child(index).public_key
        program = hashes.hash160(key)
        return ReceiveAddress(self._segwit(0, program), f"0014{program.hex()}")

    def parse(self, text: str) -> ReceiveAddress:
        """Return the address (segwit in lower case) and its script. Raises Invalid for any other text."""
        if not 14 <= len(text) <= MAX_ADDRESS or not text.isascii():
            raise Invalid("not a Bitcoin address: its length or alphabet is wrong")
        human_part, separator, _ = text.lower().rpartition("1")
        if separator and human_part in {network.human_part for network in NETWORK_BY_NAME.values()}:
            return self._parse_segwit(text)
        return self._parse_base58(text)

    def text(self, key: str) -> str:
        """Return the address of a script in hex. Raises Invalid for a script that has none."""
        script = bytes.fromhex(key)
        if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
            return str(base58.encode_check(bytes([self._network.p2pkh]) + script[3:23]))
        if len(script) == 23 and script[:2] == b"\xa9\x14" and script[22:] == b"\x87":
            return str(base58.encode_check(bytes([self._network.p2sh]) + script[2:22]))
        if len(script) in (22, 34) and script[0] == 0 and script[1] == len(script) - 2:
            return self._segwit(0, script[2:])
        if len(script) == 34 and script[:2] == b"\x51\x20":
            return self._segwit(1, script[2:])
        raise Invalid("a script without an address")

    def _segwit(self, version: int, program: bytes) -> str:
        return str(bech32.encode(self._network.human_part, version, program))

    def _parse_segwit(self, text: str) -> ReceiveAddress:
        expected = self._network.human_part
        if not text.lower().startswith(f"{expected}1"):
            raise Invalid(f"an address of another network: here they begin with {expected}1")
        encoding, _, words = bech32.bech32_decode(text)
        if encoding is None or not words:
            raise Invalid("the address is mistyped: its checksum does not fit")
        version, program = bech32.decode(expected, text)
        if version is None:
            raise Invalid("the address is mistyped: its checksum does not fit its kind")
        if version > 1 or (version == 1 and len(program) != 32):
            raise Invalid("an address of a kind that can't be paid yet")
        opcode = version and 0x50 + version
        return ReceiveAddress(text.lower(), bytes([opcode, len(program), *program]).hex())

    def _parse_base58(self, text: str) -> ReceiveAddress:
        try:
            raw = base58.decode_check(text)
        except ValueError as error:
            raise Invalid("not a Bitcoin address, or mistyped: its checksum does not fit") from error
        if len(raw) != 21:
            raise Invalid("not a Bitcoin address: its length is wrong")
        if raw[0] == self._network.p2pkh:
            return ReceiveAddress(text, f"76a914{raw[1:].hex()}88ac")
        if raw[0] == self._network.p2sh:
            return ReceiveAddress(text, f"a914{raw[1:].hex()}87")
        raise Invalid("an address of another network or kind")
