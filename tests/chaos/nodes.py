"""The two nodes as customers and miners reach them: whoever asks waits while the node is away."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from eth_account import Account

from emulators import ethereum
from emulators.bitcoin import FAUCET
from emulators.json_rpc import RpcRefused, call
from tests.chaos.plan import BITCOIN, EVM

PATIENCE_S: Final = 90.0
_WARMING_UP: Final = -28
_ALREADY_KNOWN: Final = ("already", "nonce too low", "known")
SATOSHI: Final = 10**8
COIN_SATOSHI: Final = 600_000
"""A coin of the customers: more than twice what the dearest order costs."""
PURSE: Final = "customers"
"""The customers' wallet on the Bitcoin node."""
_FEES: Final = (1_000, 6_000, 30_000)
_GWEI: Final = (20, 60, 180)
_WEI: Final = 20 * 10**18
_TOKENS: Final = 10_000 * 10**6
_TRANSFER: Final = "a9059cbb"
_AT_ONCE: Final = 100
DUST: Final = {"BTC": 200, "ETH": 10**11, "USDC": 9_000, "USDT": 9_000}
"""Base units that count for nothing by every policy."""


class Node:
    """JSON-RPC with patience: an outage of the node is a pause for whoever uses it."""

    def __init__(self, chain: str, url: str) -> None:
        self.chain = chain
        self.url = url

    def call(self, method: str, *params: object, path: str = "") -> Any:
        """Return the result; ask again while nobody answers. Raises RpcRefused."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return call(self.url + path, method, *params, timeout_s=20)
            except RpcRefused as refused:
                if refused.code != _WARMING_UP or time.monotonic() > end:
                    raise
            except (OSError, ValueError):  # away, hung, or ended in the middle of an answer
                if time.monotonic() > end:
                    raise
            time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction that pays a customer's order, or takes that back. `source` is what it spends."""

    chain: str
    txid: str
    raw: str
    source: object


class Purse:
    """What customers pay from. Every source is spent by one payment only, so payments don't disturb one another."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._lock = threading.Lock()

    def pay(self, asset: str, address: str, units: int) -> Signed:
        """Return a transaction from a fresh source, not sent yet."""
        raise NotImplementedError

    def again(self, first: Signed, asset: str, address: str, units: int, *, step: int = 1) -> Signed:
        """Return one that spends the same source for a higher fee; `address` may be `home`."""
        raise NotImplementedError

    @property
    def home(self) -> str:
        """Return an address of the customers' own."""
        raise NotImplementedError

    def send(self, signed: Signed) -> bool:
        """Send it; tell whether the node took it, or knew it."""
        raise NotImplementedError


class BitcoinPurse(Purse):
    """Coins of a wallet of the node, which signs; every payment takes a confirmed coin of its own."""

    def __init__(self, node: Node, *, coins: int) -> None:
        super().__init__(node)
        faucet = f"/wallet/{FAUCET}"
        node.call("createwallet", PURSE, False, False, "", False, True, True)
        addresses = [node.call("getnewaddress", path=f"/wallet/{PURSE}") for _ in range(_AT_ONCE)]
        self._home: str = node.call("getnewaddress", path=f"/wallet/{PURSE}")
        for _ in range(-(-coins // _AT_ONCE)):
            filled = dict.fromkeys(addresses, COIN_SATOSHI / SATOSHI)
            node.call("sendmany", "", filled, path=faucet)
            node.call("generatetoaddress", 1, node.call("getnewaddress", path=faucet))
        node.call("generatetoaddress", 8, node.call("getnewaddress", path=faucet))
        listed = node.call("listunspent", 1, path=f"/wallet/{PURSE}")
        self._coins = [(str(each["txid"]), int(each["vout"]), str(each["scriptPubKey"])) for each in listed]

    @property
    def home(self) -> str:
        return self._home

    def pay(self, asset: str, address: str, units: int) -> Signed:
        with self._lock:
            coin = self._coins.pop()
        return self._signed(coin, address, units, _FEES[0])

    def again(self, first: Signed, asset: str, address: str, units: int, *, step: int = 1) -> Signed:
        return self._signed(first.source, address, units, _FEES[step])

    def _signed(self, coin: Any, address: str, units: int, fee: int) -> Signed:
        change = COIN_SATOSHI - units - fee
        paid = {address: _btc(units)} if address != self._home else {}
        outputs = {**paid, self._home: _btc(change if paid else change + units)}
        source = [{"txid": coin[0], "vout": coin[1], "sequence": 0xFFFFFFFD}]
        unsigned = self.node.call("createrawtransaction", source, outputs)
        spent = {"txid": coin[0], "vout": coin[1], "scriptPubKey": coin[2], "amount": _btc(COIN_SATOSHI)}
        signed = self.node.call("signrawtransactionwithwallet", unsigned, [spent], path=f"/wallet/{PURSE}")
        if not signed["complete"]:
            raise RuntimeError(f"the node did not sign: {signed}")
        txid = self.node.call("decoderawtransaction", signed["hex"])["txid"]
        return Signed(BITCOIN, txid, signed["hex"], coin)

    def send(self, signed: Signed) -> bool:
        try:
            self.node.call("sendrawtransaction", signed.raw)
        except RpcRefused as refused:
            return "already" in str(refused)
        return True


class EvmPurse(Purse):
    """Accounts that send one transaction each, so that any of them may be lost, repeated or replaced by itself."""

    def __init__(self, node: Node, *, seed: int, accounts: Mapping[str, int]) -> None:
        super().__init__(node)
        self._tokens = {"USDC": ethereum.USDC, "USDT": ethereum.USDT}
        self._home = Account.from_key(_key(seed, "home", 0)).address
        self._accounts: dict[str, list[Any]] = {}
        node.call("evm_setAutomine", False)
        for asset, count in accounts.items():
            made = [Account.from_key(_key(seed, asset, number)) for number in range(count)]
            self._accounts[asset] = made
            for account in made:
                node.call("anvil_setBalance", account.address, hex(_WEI))
                if asset != "ETH":
                    self._mint(asset, account.address)
        while True:
            node.call("anvil_mine", "0x1")
            if node.call("txpool_status")["pending"] == "0x0":
                break
        node.call("anvil_mine", hex(20))  # deeper than any reorganisation goes

    @property
    def home(self) -> str:
        return str(self._home)

    def pay(self, asset: str, address: str, units: int) -> Signed:
        with self._lock:
            account = self._accounts[asset].pop()
        return self._signed(account, asset, address, units, _GWEI[0])

    def again(self, first: Signed, asset: str, address: str, units: int, *, step: int = 1) -> Signed:
        return self._signed(first.source, asset, address, units, _GWEI[step])

    def _signed(self, account: Any, asset: str, address: str, units: int, gwei: int) -> Signed:
        fields: dict[str, object] = {
            "chainId": ethereum.CHAIN_ID,
            "nonce": 0,
            "maxFeePerGas": gwei * 10**9,
            "maxPriorityFeePerGas": gwei * 10**8,
        }
        if asset == "ETH":
            fields |= {"to": address, "value": units, "gas": 21_000}
        else:
            call_data = f"0x{_TRANSFER}{address[2:].lower().rjust(64, '0')}{units:064x}"
            fields |= {"to": self._tokens[asset], "value": 0, "gas": 120_000, "data": call_data}
        signed = account.sign_transaction(fields)
        return Signed(EVM, signed.hash.to_0x_hex(), signed.raw_transaction.to_0x_hex(), account)

    def send(self, signed: Signed) -> bool:
        try:
            self.node.call("eth_sendRawTransaction", signed.raw)
        except RpcRefused as refused:
            return any(word in str(refused).lower() for word in _ALREADY_KNOWN)
        return True

    def _mint(self, asset: str, to: str) -> None:
        method = ethereum.MINT if asset == "USDC" else ethereum.ISSUE
        call_data = f"0x{method}{to[2:].lower().rjust(64, '0')}{_TOKENS:064x}"
        transaction = {"from": ethereum.DEPLOYER, "to": self._tokens[asset], "data": call_data}
        self.node.call("eth_sendTransaction", transaction)


def _btc(satoshi: int) -> str:
    return f"{Decimal(satoshi) / SATOSHI:.8f}"


def _key(seed: int, asset: str, number: int) -> bytes:
    return hashlib.sha256(f"{seed} {asset} {number}".encode()).digest()
