"""Miners: each chain grows at its pace, and now and then loses its last blocks to others."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from emulators.bitcoin import FAUCET
from emulators.json_rpc import RpcRefused
from tests.chaos.nodes import Node, Purse, Signed
from tests.chaos.plan import Reorg

FAR_AHEAD_S: Final = 70 * 60
"""A block's own time so far ahead is too late for who pays at the last moment, and for nobody else."""


@dataclass
class Sent:
    """A transaction that a customer wants mined, until they say otherwise. `due_at` is when it is sent again."""

    signed: Signed
    due_at: float = 0.0
    mined: bool = False
    asset: str = ""


@dataclass
class Miner:
    """One chain. Everything that changes the chain's shape is done in this one thread, in turn."""

    node: Node
    purse: Purse
    pace_s: float
    seed: int
    due: list[Reorg]
    now: Callable[[], float]
    done: list[Reorg] = field(default_factory=list)
    lowest: int = 0
    """No reorganisation reaches below this height: what lies there was made before the payments, or the node has lost
    the states of it with a restart."""
    _sent: dict[str, Sent] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    failure: BaseException | None = None
    between_blocks: threading.Lock = field(default_factory=threading.Lock)
    """Held while the chain changes: who takes it finds the chain at rest."""

    def start(self) -> None:
        """Mine from now on."""
        self._thread = threading.Thread(target=self._run, name=f"miner {self.node.chain}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Mine no more. Raises what ended the miner, if anything did."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self.failure is not None:
            raise self.failure

    def send(self, signed: Signed, asset: str) -> None:
        """Broadcast a transaction, and again whenever the chain or the node has lost it."""
        with self._lock:
            self._sent[signed.txid] = Sent(signed, asset=asset)
        self.purse.send(signed)

    def forget(self, signed: Signed) -> None:
        """Never send it again."""
        with self._lock:
            self._sent.pop(signed.txid, None)

    def replace(self, first: Signed, second: Signed, asset: str) -> None:
        """Send another transaction in place of one; where that is mined already, both are left to the next branch."""
        with self._lock:
            mined = first.txid in self._sent and self._sent[first.txid].mined
        if mined:
            return
        self.purse.send(second)
        with self._lock:
            self._sent.pop(first.txid, None)
            self._sent[second.txid] = Sent(second, asset=asset)

    def settle(self, blocks: int) -> None:
        """Mine until nothing waits, then so many blocks more. Not while the thread runs."""
        for _ in range(20):
            for one in self._waiting():
                one.due_at = 0
            self._again()
            self.mine()
            if not self._waiting():
                break
        for _ in range(blocks):
            self.mine()

    def unmined(self) -> None:
        """Take everything for lost that was sent: the node has come back with less than it had."""
        with self._lock:
            for one in self._sent.values():
                one.mined = False

    def height(self) -> int:
        """Return the height of the tip."""
        raise NotImplementedError

    def mine(self) -> None:
        """Mine a block with what waits."""
        raise NotImplementedError

    def replace_blocks(self, depth: int, reorg: Reorg, lost: list[Sent]) -> None:
        """Replace the last blocks; `lost` are the customers' transactions in them."""
        raise NotImplementedError

    def replace_last(self, depth: int, instead: Sequence[Signed]) -> None:
        """Replace the last blocks by others with these transactions."""
        raise NotImplementedError

    def transactions(self, height: int) -> list[str]:
        """Return the txids of a block of the best chain."""
        raise NotImplementedError

    def _run(self) -> None:
        try:
            while not self._stop.wait(self.pace_s):
                with self.between_blocks:
                    self._step()
        except BaseException as failure:  # noqa: BLE001  it is raised again where the run ends
            self.failure = failure

    def _step(self) -> None:
        self._again()
        if self.due and self.due[0].at_s <= self.now():
            self.reorganise(self.due.pop(0))
        else:
            self.mine()

    def reorganise(self, reorg: Reorg) -> None:
        """Replace the last blocks, as many as were mined since the chain may be reorganised."""
        top = self.height()
        depth = min(reorg.depth, top - self.lowest)
        if depth < 1:
            self.due.insert(0, reorg)  # too soon after a restart
            self.mine()
            return
        inside = [txid for height in range(top - depth + 1, top + 1) for txid in self.transactions(height)]
        with self._lock:
            lost = [self._sent[txid] for txid in inside if txid in self._sent]
            for one in lost:
                one.mined = False
        self.replace_blocks(depth, reorg, lost)
        self.done.append(replace(reorg, depth=depth))

    def _steal(self, chance: random.Random, lost: Iterable[Sent]) -> list[Sent]:
        """Return some of them, each now spending its source otherwise."""
        stolen = []
        for one in lost:
            if chance.random() < 0.5:
                theft = self.purse.again(one.signed, one.asset, self.purse.home, 1, step=2)
                stolen.append(Sent(theft, asset=one.asset))
                with self._lock:
                    self._sent.pop(one.signed.txid, None)
                    self._sent[theft.txid] = stolen[-1]
        return stolen

    def _again(self) -> None:
        now = self.now()
        for one in self._waiting():
            if one.due_at <= now and not self.purse.send(one.signed):
                self.forget(one.signed)  # what it spends is spent: another branch has settled it

    def _waiting(self) -> list[Sent]:
        with self._lock:
            return [one for one in self._sent.values() if not one.mined]

    def _mined(self, txids: Iterable[str]) -> None:
        with self._lock:
            for txid in txids:
                if txid in self._sent:
                    self._sent[txid].mined = True

    def chance(self, reorg: Reorg) -> random.Random:
        """Return what decides about a reorganisation's transactions."""
        return random.Random(f"{self.seed} reorg {reorg.number}")


@dataclass
class BitcoinMiner(Miner):
    """Lost transactions are back in the mempool by the node's own doing."""

    late: list[Signed] = field(default_factory=list)
    """Each is mined alone, in a block whose own time is far ahead."""
    straight: list[Signed] = field(default_factory=list)
    """What no node relays: mined by itself."""
    address: str = ""

    def __post_init__(self) -> None:
        self.address = self.node.call("getnewaddress", path=f"/wallet/{FAUCET}")
        self.lowest = self.height()

    def height(self) -> int:
        return int(self.node.call("getblockcount"))

    def transactions(self, height: int) -> list[str]:
        return [str(txid) for txid in self.node.call("getblock", self._hash(height))["tx"]]

    def mine(self) -> None:
        while self.straight:
            self._alone(self.straight.pop())
        while self.late:
            self.node.call("setmocktime", int(time.time()) + FAR_AHEAD_S)
            try:
                self._alone(self.late.pop())
            finally:
                self.node.call("setmocktime", 0)
        self._mined_block(self.node.call("generatetoaddress", 1, self.address)[0])

    def replace_blocks(self, depth: int, reorg: Reorg, lost: list[Sent]) -> None:
        self.node.call("invalidateblock", self._hash(self.height() - depth + 1))
        # To another address: a block like the one that was taken back would be that block.
        self.address = self.node.call("getnewaddress", path=f"/wallet/{FAUCET}")
        chance = self.chance(reorg)
        if reorg.mode == "stolen":
            for theft in self._steal(chance, lost):
                self.purse.send(theft.signed)
        if reorg.mode in ("kept", "stolen"):
            self._mined_block(self.node.call("generatetoaddress", 1, self.address)[0])
        elif reorg.mode == "some":
            waiting = set(self.node.call("getrawmempool"))
            picked = [one.signed.txid for one in lost if one.signed.txid in waiting and chance.random() < 0.5]
            self._generated(picked)
        else:
            self._generated([])
        for _ in range(depth):
            self._generated([])

    def replace_last(self, depth: int, instead: Sequence[Signed]) -> None:
        self.node.call("invalidateblock", self._hash(self.height() - depth + 1))
        self.address = self.node.call("getnewaddress", path=f"/wallet/{FAUCET}")
        self._generated([signed.raw for signed in instead])
        for _ in range(depth):
            self._generated([])

    def _generated(self, transactions: list[str]) -> None:
        self._mined_block(self.node.call("generateblock", self.address, transactions)["hash"])

    def _alone(self, signed: Signed) -> None:
        try:
            self._generated([signed.raw])
        except RpcRefused:  # its coin is spent already
            return

    def _mined_block(self, block_hash: str) -> None:
        self._mined(self.node.call("getblock", block_hash)["tx"])

    def _hash(self, height: int) -> str:
        return str(self.node.call("getblockhash", height))


@dataclass
class EvmMiner(Miner):
    """Lost transactions are gone; their customers send them again, or not."""

    def __post_init__(self) -> None:
        self.lowest = self.height()

    def height(self) -> int:
        return int(self.node.call("eth_blockNumber"), 16)

    def transactions(self, height: int) -> list[str]:
        block = self.node.call("eth_getBlockByNumber", hex(height), False)
        return [str(txid) for txid in block["transactions"]] if block else []

    def mine(self) -> None:
        before = self.height()
        self.node.call("anvil_mine", "0x1")
        for height in range(before + 1, self.height() + 1):
            self._mined(self.transactions(height))

    def replace_blocks(self, depth: int, reorg: Reorg, lost: list[Sent]) -> None:
        chance, now = self.chance(reorg), self.now()
        included: list[tuple[str, int]] = []
        if reorg.mode == "stolen":
            stolen = self._steal(chance, lost)
            included = [(one.signed.raw, 0) for one in stolen]
            taken = {one.signed.source for one in stolen}
            lost = [one for one in lost if one.signed.source not in taken]
        for one in lost:
            again = reorg.mode in ("kept", "stolen") or (reorg.mode == "some" and chance.random() < 0.5)
            if again:
                included.append((one.signed.raw, chance.randrange(depth)))
            else:
                one.due_at = now + chance.uniform(0, 5)
        self._branch(depth, included)
        top = self.height()
        for height in range(top - depth - 1, top + 1):
            self._mined(self.transactions(height))

    def replace_last(self, depth: int, instead: Sequence[Signed]) -> None:
        self._branch(depth, [(signed.raw, 0) for signed in instead])

    def _branch(self, depth: int, included: Sequence[tuple[str, int]]) -> None:
        self.node.call("anvil_reorg", depth, [list(each) for each in included])
        self.node.call("evm_setTime", int(time.time()))  # its clock has gone back with the blocks
        self.node.call("anvil_mine", "0x1")

    def restarted(self) -> None:
        """Go on after a restart: nothing is mined by itself, and no branch begins before it."""
        self.node.call("evm_setAutomine", False)
        self.lowest = self.height()
