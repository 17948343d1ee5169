"""Prices on the local chain: an aggregator contract for each pair, as Chainlink's oracles would keep them.

Deployed with CREATE2 through the factory that anvil is born with: an address depends on the contract's code and first
value alone, and is known before the chain runs. Nobody moves the values by themselves; `Oracle` does, in tests.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from emulators.component import ComponentFailed
from emulators.ethereum import CHAIN_ID, bytecode
from emulators.feeds import in_usd
from emulators.json_rpc import call
from shared.adapters.evm.keccak import keccak256

FACTORY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
WRITER = "0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f"
"""The eighth of anvil's accounts, which stands for the oracles."""
ASSETS = ("BTC", "ETH", "USDC", "USDT", "EUR")
"""Priced in USD; what they are in EUR follows."""
DECIMALS = 8
HEARTBEAT_S = 86_400
"""Locally a value is good for a day: nobody writes it while the platform runs."""
_OLD_S = 3600
_GAS = hex(3_000_000)  # not estimated: how much a round costs depends on the block that it comes into


def contracts() -> dict[str, str]:
    """Return the address of each pair's contract on the local chain."""
    return {f"{asset}-USD": address_of(creation(f"{asset} / USD", answer_of(in_usd(asset)))) for asset in ASSETS}


def feed() -> dict[str, object]:
    """Return the entry of FEEDS for the local chain."""
    chain = f"evm:{CHAIN_ID}"
    return {
        "name": "chainlink",
        "format": "chainlink",
        "chain": chain,
        "contracts": contracts(),
        "stale_s": HEARTBEAT_S,
    }


def deploy(env: Mapping[str, str]) -> str:
    """Put the contracts on the local chain where they are missing, and write anew what is older than an hour."""
    url, new = env["EVM_RPC_URL"], 0
    for asset, address in zip(ASSETS, contracts().values(), strict=True):
        answer = answer_of(in_usd(asset))
        if call(url, "eth_getCode", address, "latest") == "0x":
            deployed(url, creation(f"{asset} / USD", answer))
            new += 1
        elif time.time() - Oracle(url, address).updated_at > _OLD_S:
            Oracle(url, address).post(answer)
    return f"{new} price contracts deployed" if new else "all price contracts are there"


def answer_of(price: Decimal) -> int:
    """Return a price as the contracts write it."""
    return int(price.scaleb(DECIMALS))


def creation(description: str, answer: int, *, decimals: int = DECIMALS) -> str:
    """Return what creates a contract, in hex without 0x."""
    return bytecode("aggregator")[2:] + _arguments(decimals, description, answer)


def address_of(code: str, salt: int = 0) -> str:
    """Return where the factory puts what this code creates. Source: EIP-1014."""
    whole = bytes.fromhex(f"ff{FACTORY[2:]}{salt:064x}") + keccak256(bytes.fromhex(code))
    return f"0x{keccak256(whole)[12:].hex()}"


def deployed(url: str, code: str, salt: int = 0) -> str:
    """Create a contract and return its address. Raises ComponentFailed, also when it is there already."""
    _send(url, {"to": FACTORY, "data": f"0x{salt:064x}{code}"})
    address = address_of(code, salt)
    if call(url, "eth_getCode", address, "latest") == "0x":
        raise ComponentFailed(f"ethereum: no contract at {address}: remove the chain's data folder and start again")
    return address


@dataclass(frozen=True)
class Oracle:
    """Writes one contract."""

    url: str
    address: str

    @property
    def updated_at(self) -> int:
        """Return when it was last written to, in seconds since 1970."""
        answer = call(self.url, "eth_call", {"to": self.address, "data": _selector("latestRoundData()")}, "latest")
        return int(answer[2 + 3 * 64 :][:64], 16)

    def post(self, answer: int) -> None:
        """A new round, answered now."""
        self._write("post(int256)", f"{answer % 2**256:064x}")

    def put(self, round_id: int, answer: int, started_at: int, updated_at: int, answered_in: int) -> None:
        """Any round at all."""
        words = (round_id, answer % 2**256, started_at, updated_at, answered_in)
        self._write("put(uint80,int256,uint256,uint256,uint80)", "".join(f"{word:064x}" for word in words))

    def describe(self, decimals: int, description: str) -> None:
        """Make it another contract than it was said to be."""
        self._write("describe(uint8,string)", _arguments(decimals, description))

    def _write(self, function: str, arguments: str) -> None:
        _send(self.url, {"to": self.address, "data": f"{_selector(function)}{arguments}"})


def _arguments(decimals: int, description: str, *more: int) -> str:
    text = description.encode()
    numbers = (number % 2**256 for number in more)
    head = (decimals, 32 * (2 + len(more)), *numbers, len(text))
    return "".join(f"{word:064x}" for word in head) + text.ljust(32, b"\0").hex()


def _selector(function: str) -> str:
    return f"0x{keccak256(function.encode())[:4].hex()}"


def _send(url: str, transaction: Mapping[str, str]) -> None:
    txid = call(url, "eth_sendTransaction", {"from": WRITER, "gas": _GAS, **transaction})
    deadline = time.monotonic() + 10
    while not (receipt := call(url, "eth_getTransactionReceipt", txid)):
        if time.monotonic() > deadline:
            raise ComponentFailed(f"ethereum: transaction {txid} was not mined within 10 s")
        time.sleep(0.01)
    if receipt["status"] != "0x1":
        raise ComponentFailed(f"ethereum: transaction {txid} failed")
