"""The hot wallet on Bitcoin: one native segwit address of the signer's key. Fulfils `spending.HotWallet`.

It spends only coins with as many confirmations as final payments have, its own change included: a coin whose making can
be undone could leave a refund without its inputs for ever. It keeps nothing; what is used up, the caller says.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from embit.hashes import hash160

from shared.adapters.bitcoin import inspection, psbt
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.bitcoin.coins import Choice, Coin, choose, dust, fee_at, outpoint_of, slot_of
from shared.adapters.bitcoin.inspection import SIGHASH_ALL, Output, Purpose
from shared.adapters.bitcoin.spending_node import SpendingNode
from shared.adapters.json_rpc import RpcRefused
from shared.adapters.signing.ecdsa import to_der
from shared.kernel.errors import Invalid, Transient
from shared.kernel.money import Asset
from shared.payments.chain import NodeUntrusted, Outpoint, ReceiveAddress
from shared.payments.spending import (
    Draft,
    Intent,
    SignedTransaction,
    Signer,
    Standing,
    UnsafeTransaction,
    WalletShort,
    Whereabouts,
)

_MINED_ALREADY = -27
_REJECTED = (-25, -26)
_KNOWN_REASONS = ("txn-already-in-mempool", "txn-already-known", "txn-same-nonwitness-data-in-mempool")
_LATER_REASONS = ("fee", "mempool", "too-long", "replacement", "missing", "spends-conflicting", "too many")
"""What a node's reason contains where the time is wrong, and not the transaction."""


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """Rates in satoshi per 1,000 virtual bytes, the limit in satoshi per transaction."""

    limit: int = 100_000
    floor: int = 1_000
    ceiling: int = 300_000
    blocks: int = 3
    """Fees are such that a transaction is mined within as many blocks, as far as the node can tell."""
    least_change: int = 1_000
    """Change below it is left to the miners: to spend it again would cost as much."""


@dataclass(frozen=True, slots=True)
class BitcoinRules:
    """What the settings say of the chain. A coin is spent, and a transaction final, from `final_depth` on."""

    network: str
    final_depth: int
    name: str = "bitcoin"
    fees: FeePolicy = FeePolicy()
    address: str = ""
    """Where the wallet is known to be; empty: wherever its key says."""


@dataclass(frozen=True, slots=True)
class _Home:
    address: ReceiveAddress
    public_key: bytes


class BitcoinHotWallet:
    """The coins of one key on one chain. `node` watches that key's address."""

    def __init__(self, node: SpendingNode, signer: Signer, rules: BitcoinRules) -> None:
        self._node = node
        self._signer = signer
        self._rules = rules
        self._addresses = BitcoinAddresses(rules.network)
        self._home: _Home | None = None
        self._checked = False

    @property
    def chain(self) -> str:
        return self._rules.name

    async def address(self) -> ReceiveAddress:
        return (await self._at_home()).address

    async def balances(self) -> Mapping[Asset, int]:
        return {Asset.BTC: sum(coin.satoshi for coin in await self._coins(confirmations=1))}

    async def draft(self, intent: Intent, *, taken: Collection[str]) -> Draft:
        self._fits(intent, await self._at_home())
        coins = [coin for coin in await self._coins(confirmations=1) if coin.slot not in taken]
        deep = [coin for coin in coins if coin.confirmations >= self._rules.final_depth]
        rate = await self._rate()
        try:
            choice = choose(
                deep, intent.units, _script_bytes(intent), rate=rate, least_change=self._rules.fees.least_change
            )
        except WalletShort as short:
            waiting = sum(coin.satoshi for coin in coins) - sum(coin.satoshi for coin in deep)
            raise WalletShort(f"{short.detail} {waiting} more are not final yet.") from short
        if choice.fee > self._rules.fees.limit:
            raise Transient(f"A refund would cost {choice.fee} satoshi in fees now: the limit is lower.")
        return await self._drafted(intent, choice)

    async def bump(self, intent: Intent, before: Sequence[SignedTransaction], *, taken: Collection[str]) -> Draft:
        self._fits(intent, await self._at_home())
        if not before:
            raise ValueError("nothing to bump")
        earlier = [inspection.read(bytes.fromhex(signed.raw)) for signed in before]
        used = list(dict.fromkeys(slot for signed in before for slot in signed.slots))
        must = await self._own([outpoint_of(slot) for slot in used])
        free = [coin for coin in await self._coins(self._rules.final_depth) if coin.slot not in taken]
        old_rate = max(1000 * old.fee // read.vsize for old, read in zip(before, earlier, strict=True))
        estimate, least = await self._node.fee_rates(self._rules.fees.blocks)
        wanted = min(estimate or 0, self._rules.fees.ceiling)
        rate = max(old_rate * 5 // 4, old_rate + max(least, 1000), wanted)
        size = max(read.vsize for read in earlier)
        # BIP-125, rule 3 and 4: more than all that it replaces, by the node's least rate for its own size.
        fee_at_least = max(old.fee for old in before) + fee_at(max(least, 1000), 2 * size)
        choice = choose(
            [coin for coin in free if coin.slot not in used],
            intent.units,
            _script_bytes(intent),
            rate=rate,
            fee_at_least=fee_at_least,
            must=must,
            least_change=self._rules.fees.least_change,
        )
        if choice.fee > self._rules.fees.limit:
            raise Invalid(f"a bump would cost {choice.fee} satoshi: the limit is {self._rules.fees.limit}")
        return await self._drafted(intent, choice)

    async def sign(self, draft: Draft) -> SignedTransaction:
        home = await self._at_home()
        self._fits(draft.intent, home)
        purpose = self._purpose(draft, home)
        opened = psbt.open_(draft.body, home.address.key)
        inspection.check(opened.unsigned, purpose, opened.satoshi_by_input)
        witnesses = []
        for digest in opened.digests:
            r, s, _ = await self._signer.sign(digest)
            witnesses.append((to_der(r, s) + bytes([SIGHASH_ALL]), home.public_key))
        raw = psbt.complete(draft.body, witnesses)
        signed = inspection.read(raw)
        inspection.check(signed, purpose, opened.satoshi_by_input)
        inspection.check_signatures(signed, home.public_key, opened.satoshi_by_input)
        if signed.txid != opened.unsigned.txid:
            raise UnsafeTransaction("the signed transaction is not the one that was checked")
        await self._judged(raw.hex())
        return SignedTransaction(signed.txid, raw.hex(), draft.slots, draft.fee, Asset.BTC)

    async def broadcast(self, signed: SignedTransaction) -> None:
        try:
            txid = await self._node.send(signed.raw)
        except RpcRefused as refused:
            if refused.code == _MINED_ALREADY or any(reason in refused.message for reason in _KNOWN_REASONS):
                return
            [standing] = await self.standing([signed])
            if standing.whereabouts is not Whereabouts.UNKNOWN:
                return
            if refused.code in _REJECTED and not any(reason in refused.message for reason in _LATER_REASONS):
                raise Invalid(f"the node refuses transaction {signed.txid}: {refused.message}") from refused
            raise
        if txid != signed.txid:
            raise NodeUntrusted(f"the node calls transaction {signed.txid} {txid}")

    async def standing(self, signed: Sequence[SignedTransaction]) -> Sequence[Standing]:
        return [await self._standing(each) for each in signed]

    async def close(self) -> None:
        """Close the connections to the node."""
        await self._node.close()

    async def _at_home(self) -> _Home:
        if self._home is None:
            public_key = await self._signer.public_key()
            key = f"0014{hash160(public_key).hex()}"
            home = ReceiveAddress(self._addresses.text(key), key)
            if self._rules.address and self._addresses.parse(self._rules.address) != home:
                raise UnsafeTransaction(f"the key's address is {home.address}, not {self._rules.address}")
            self._home = _Home(home, public_key)
        if not self._checked:
            state = await self._node.state()
            if state.chain != self._rules.network:
                raise NodeUntrusted(f"the node is on {state.chain}, not on {self._rules.network}")
            self._checked = True
        return self._home

    def _fits(self, intent: Intent, home: _Home) -> None:
        """Raise Invalid for an intent that no transaction of this wallet can fulfil."""
        if intent.chain != self.chain or intent.asset != Asset.BTC:
            raise Invalid(f"{intent.asset} on {intent.chain} is not paid from the wallet on {self.chain}")
        if self._addresses.parse(intent.to.address) != intent.to:
            raise Invalid("an address and a script that are not the same")
        if intent.to.key == home.address.key:
            raise Invalid("the hot wallet does not pay itself")
        least = dust(_script_bytes(intent), witness=intent.to.key[:4] in ("0014", "0020", "5120"))
        if intent.units < least:
            raise Invalid(f"{intent.units} satoshi to such an address are dust: nodes pass on {least} or more")

    def _purpose(self, draft: Draft, home: _Home) -> Purpose:
        intent = draft.intent
        if draft.fee_asset != Asset.BTC:
            raise UnsafeTransaction("a fee in another asset")
        inputs = [outpoint_of(slot) for slot in draft.slots]
        return Purpose(inputs, intent.to.key, intent.units, home.address.key, draft.fee, self._rules.fees.limit)

    async def _coins(self, confirmations: int) -> list[Coin]:
        home = await self._at_home()
        coins = await self._node.coins(home.address.address)
        return [coin for coin in coins if coin.confirmations >= confirmations]

    async def _own(self, outpoints: Sequence[Outpoint]) -> list[Coin]:
        """Return coins of the wallet by what made them: of one that a transaction in the mempool spends, too."""
        home = await self._at_home()
        coins = []
        for outpoint in outpoints:
            made_by = inspection.read(await self._raw(outpoint.txid))
            output = made_by.outputs[outpoint.output]
            if made_by.txid != outpoint.txid or output.script != home.address.key:
                raise UnsafeTransaction("a coin that is not the wallet's")
            coins.append(Coin(outpoint, output.satoshi, 0))
        return coins

    async def _raw(self, txid: str) -> bytes:
        home = await self._at_home()
        known = await self._node.known(home.address.address, txid)
        if known is None:
            raise Transient("The node's wallet does not know where one of the hot wallet's coins comes from.")
        return bytes.fromhex(known.hex)

    async def _rate(self) -> int:
        """Return the satoshi per 1,000 virtual bytes to offer now. Raises Transient when that is beyond the ceiling."""
        fees = self._rules.fees
        estimate, least = await self._node.fee_rates(fees.blocks)
        if least > fees.ceiling:
            raise Transient(f"Nodes ask for {least} satoshi per 1,000 bytes now: the ceiling is {fees.ceiling}.")
        return max(min(estimate or 0, fees.ceiling), fees.floor, least)

    async def _drafted(self, intent: Intent, choice: Choice) -> Draft:
        """Return the choice as a PSBT, opened again and checked."""
        home = await self._at_home()
        inputs = [coin.outpoint for coin in choice.coins]
        outputs = [Output(intent.units, intent.to.key)]
        if choice.change:
            outputs.append(Output(choice.change, home.address.key))
        raw_by_txid = {txid: await self._raw(txid) for txid in {each.txid for each in inputs}}
        draft = Draft(
            intent=intent,
            slots=tuple(slot_of(each) for each in inputs),
            fee=choice.fee,
            fee_asset=Asset.BTC,
            body=psbt.build(inputs, outputs, raw_by_txid),
        )
        opened = psbt.open_(draft.body, home.address.key)
        inspection.check(opened.unsigned, self._purpose(draft, home), opened.satoshi_by_input)
        return draft

    async def _judged(self, raw: str) -> None:
        """Raise unless the node would take the transaction: Transient where later it might."""
        verdict = await self._node.verdict(raw)
        if verdict.allowed or verdict.reject_reason in _KNOWN_REASONS:
            return
        if any(reason in verdict.reject_reason for reason in _LATER_REASONS):
            raise Transient(f"The node would not take the refund now: {verdict.reject_reason}.")
        raise UnsafeTransaction(f"the node would refuse the transaction: {verdict.reject_reason}")

    async def _standing(self, signed: SignedTransaction) -> Standing:
        home = (await self._at_home()).address
        known = await self._node.known(home.address, signed.txid)
        if known is not None and known.confirmations == 0:
            if await self._node.in_mempool(signed.txid):
                return Standing(Whereabouts.MEMPOOL)
            known = await self._node.known(home.address, signed.txid)  # mined in between?
        if known is None or known.confirmations < 1:
            return Standing(Whereabouts.UNKNOWN)
        if known.blockheight is None or known.blockhash is None:
            raise NodeUntrusted("a mined transaction without its block")
        sent = inspection.read(bytes.fromhex(signed.raw))
        return Standing(
            Whereabouts.MINED,
            confirmations=known.confirmations,
            height=known.blockheight,
            block_hash=known.blockhash,
            fee=signed.fee,
            final=known.confirmations >= self._rules.final_depth,
            moved=sum(each.satoshi for each in sent.outputs if each.script != home.key),
        )


def _script_bytes(intent: Intent) -> int:
    return len(intent.to.key) // 2
