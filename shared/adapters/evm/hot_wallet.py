"""The hot wallet on an EVM chain: one account of the signer's key. Fulfils `spending.HotWallet`.

It pays the chain's own coin and the allowed tokens, by EIP-1559 transactions. A token is tried before it is asked: one
that is paused, has somebody on a black list, returns false or keeps a fee pays nobody what was intended. It keeps
nothing; which nonces are used up, the caller says.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.adapters.evm.address import EvmAddresses
from shared.adapters.evm.chain import EvmChain
from shared.adapters.evm.dynamic_fee import (
    Transaction,
    address_of,
    payment,
    read_signed,
    read_unsigned,
    slot_of,
    txid_of,
)
from shared.adapters.evm.keccak import keccak256
from shared.adapters.evm.node import number_of
from shared.adapters.evm.spending_node import EvmSpendingNode, Receipt
from shared.adapters.json_rpc import RpcRefused
from shared.kernel.errors import Invalid, Transient
from shared.kernel.money import Asset
from shared.payments.chain import ChainMoved, NodeUntrusted, ReceiveAddress
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

_KNOWN_REASONS = ("already known", "already imported", "known transaction", "alreadyknown")
_NEVER_REASONS = ("intrinsic gas", "exceeds block gas", "invalid sender", "invalid chain id", "oversized", "rlp")
_PLAIN_GAS = 21_000


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """Fees in wei per gas, the limit in wei per transaction."""

    limit: int = 10**16
    ceiling: int = 500 * 10**9
    """No more is offered per gas, tip included."""
    least_tip: int = 10**6
    most_tip: int = 20 * 10**9
    gas_limit: int = 150_000
    """A payment that needs more gas is none: the receiver's contract would work at our expense."""


@dataclass(frozen=True, slots=True)
class EvmRules:
    """What the settings say of the chain. Contracts in lower case."""

    chain_id: int
    native: Asset
    contract_by_asset: Mapping[Asset, str]
    fees: FeePolicy = FeePolicy()
    address: str = ""
    """Where the wallet is known to be; empty: wherever its key says."""


class EvmHotWallet:
    """The coins of one account on one chain. `seen` reads the chain, and knows what is final there."""

    def __init__(self, node: EvmSpendingNode, seen: EvmChain, signer: Signer, rules: EvmRules) -> None:
        self._node = node
        self._seen = seen
        self._signer = signer
        self._rules = rules
        self._addresses = EvmAddresses()
        self._home = ""
        self._checked = False

    @property
    def chain(self) -> str:
        return self._seen.name

    async def address(self) -> ReceiveAddress:
        return self._addresses.parse(await self._at_home())

    async def balances(self) -> Mapping[Asset, int]:
        home = await self._at_home()
        found = {self._rules.native: await self._node.balance(home)}
        for asset, contract in self._rules.contract_by_asset.items():
            found[asset] = await self._node.token_balance(contract, home)
        return found

    async def draft(self, intent: Intent, *, taken: Collection[str]) -> Draft:
        home = await self._at_home()
        self._fits(intent, home)
        to, value, call_data = payment(intent, self._rules.contract_by_asset)
        native = await self._node.balance(home)
        if native < value:
            raise WalletShort(f"The hot wallet has {native} wei, too few for {value} and gas.")
        await self._token_would_pay(intent, home)
        gas = await self._gas(home, to, value, call_data)
        max_fee, tip = await self._offer(gas)
        nonce = await self._node.transaction_count(home)
        while slot_of(home, nonce) in taken:
            nonce += 1
        transaction = Transaction(self._rules.chain_id, nonce, tip, max_fee, gas, to, value, call_data)
        return self._drafted(intent, transaction, home, native)

    async def bump(self, intent: Intent, before: Sequence[SignedTransaction], *, taken: Collection[str]) -> Draft:
        home = await self._at_home()
        self._fits(intent, home)
        if not before:
            raise ValueError("nothing to bump")
        read = [read_signed(bytes.fromhex(signed.raw)) for signed in before]
        earlier = [transaction for transaction, _ in read]
        if len({each.nonce for each in earlier}) != 1 or {sender for _, sender in read} != {home}:
            raise UnsafeTransaction("versions of one payment with several nonces, or of another account")
        if await self._node.transaction_count(home) > earlier[0].nonce:
            raise Transient("The nonce is used up: one of the refund's transactions is mined, or another's.")
        base, advised = await self._node.fees()
        tip = max(self._tip(advised), *(_eighth_more(each.tip) for each in earlier))
        max_fee = max(2 * base + tip, *(_eighth_more(each.max_fee) for each in earlier))
        dearer = replace(earlier[-1], tip=tip, max_fee=max_fee, gas=max(each.gas for each in earlier))
        limit = self._rules.fees.limit
        if dearer.fee > limit:
            least = max(_eighth_more(each.max_fee) for each in earlier)
            dearer = replace(dearer, max_fee=max(limit // dearer.gas, tip, least))
        if dearer.fee > limit:
            raise Invalid(f"a bump could cost {dearer.fee} wei: the limit is {limit}")
        return self._drafted(intent, dearer, home, await self._node.balance(home, waiting=False))

    async def sign(self, draft: Draft) -> SignedTransaction:
        home = await self._at_home()
        self._fits(draft.intent, home)
        transaction = read_unsigned(draft.body)
        self._check(transaction, draft, home)
        r, s, recovery = await self._signer.sign(keccak256(draft.body))
        raw = transaction.signed(r, s, recovery)
        again, sender = read_signed(raw)
        self._check(again, draft, home)
        if again != transaction or sender != home:
            raise UnsafeTransaction("what was signed is another transaction, or by another account")
        return SignedTransaction(txid_of(raw), raw.hex(), draft.slots, draft.fee, draft.fee_asset)

    async def broadcast(self, signed: SignedTransaction) -> None:
        try:
            txid = await self._node.send(signed.raw)
        except RpcRefused as refused:
            said = refused.message.lower()
            if any(reason in said for reason in _KNOWN_REASONS):
                return
            [standing] = await self.standing([signed])
            if standing.whereabouts is not Whereabouts.UNKNOWN:
                return
            if "insufficient funds" in said:
                raise WalletShort(
                    "The hot wallet has too little gas, or too few coins, for a signed refund."
                ) from refused
            if any(reason in said for reason in _NEVER_REASONS):
                raise Invalid(f"the node refuses transaction {signed.txid}: {refused.message}") from refused
            raise
        if txid.lower() != signed.txid:
            raise NodeUntrusted(f"the node calls transaction {signed.txid} {txid}")

    async def standing(self, signed: Sequence[SignedTransaction]) -> Sequence[Standing]:
        await self._at_home()
        found = [await self._receipt(each) for each in signed]
        if not any(isinstance(each, Receipt) for each in found):
            return [each for each in found if isinstance(each, Standing)]
        tip = (await self._seen.tip()).height
        final = await self._seen.finalized_height()
        return [
            self._mined(each, *read_signed(bytes.fromhex(one.raw)), tip, final) if isinstance(each, Receipt) else each
            for one, each in zip(signed, found, strict=True)
        ]

    async def close(self) -> None:
        """Close the connections to the node."""
        await self._node.close()
        await self._seen.close()

    async def _at_home(self) -> str:
        """Return the account's address in lower case, on the chain that the settings name."""
        if not self._home:
            home = address_of(await self._signer.public_key())
            if self._rules.address and self._addresses.parse(self._rules.address).key != home:
                raise UnsafeTransaction(f"the key's address is {home}, not {self._rules.address}")
            self._home = home
        if not self._checked:
            await self._seen.tip()  # raises NodeUntrusted on another chain
            self._checked = True
        return self._home

    def _fits(self, intent: Intent, home: str) -> None:
        """Raise Invalid for an intent that no transaction of this wallet can fulfil."""
        if intent.chain != self.chain or intent.asset not in (self._rules.native, *self._rules.contract_by_asset):
            raise Invalid(f"{intent.asset} on {intent.chain} is not paid from the wallet on {self.chain}")
        if self._addresses.parse(intent.to.address) != intent.to:
            raise Invalid("an address that is written in two ways which differ")
        if intent.to.key == home or intent.to.key in self._rules.contract_by_asset.values():
            raise Invalid("the hot wallet pays neither itself nor a token's contract")
        if not 0 < intent.units < 1 << 256:
            raise Invalid("units to be paid are more than 0")

    async def _token_would_pay(self, intent: Intent, home: str) -> None:
        """Raise unless a transfer of the token would bring the receiver every unit. Native coins always would."""
        contract = self._rules.contract_by_asset.get(intent.asset)
        if contract is None:
            return
        has = await self._node.token_balance(contract, home)
        if has < intent.units:
            raise WalletShort(f"The hot wallet has {has} units of {intent.asset}, too few for {intent.units}.")
        trial = await self._node.try_transfer(contract, home, intent.to.key, intent.units)
        if not trial.succeeded:
            raise Invalid(f"{intent.asset} refuses this transfer now: it is paused, or somebody is on its black list")
        if trial.arrived != intent.units:
            raise Invalid(f"{intent.asset} keeps a fee: {trial.arrived} of {intent.units} units would arrive")

    async def _gas(self, home: str, to: str, value: int, call_data: bytes) -> int:
        needed = await self._node.gas(home, to, value, call_data)
        limit = needed if needed == _PLAIN_GAS else needed + needed // 4
        if limit > self._rules.fees.gas_limit:
            raise Invalid(f"the payment would need {needed} gas: the receiver is a contract that does too much")
        return limit

    async def _offer(self, gas: int) -> tuple[int, int]:
        """Return (max fee, tip) per gas to offer now. Raises Transient when gas is dearer than the limits."""
        fees = self._rules.fees
        base, advised = await self._node.fees()
        tip = self._tip(advised)
        max_fee = min(2 * base + tip, fees.ceiling, fees.limit // gas)
        if max_fee < base + base // 4 + tip:
            raise Transient(f"Gas costs {base} wei now: a refund would be dearer than its limits.", retry_after_s=60)
        return max_fee, tip

    def _tip(self, advised: int) -> int:
        return min(max(advised, self._rules.fees.least_tip), self._rules.fees.most_tip)

    def _drafted(self, intent: Intent, transaction: Transaction, home: str, native: int) -> Draft:
        """Return the transaction as a draft, read again and checked. `native` is what there is to spend, in wei."""
        needed = transaction.value + transaction.fee
        if native < needed:
            raise WalletShort(f"The hot wallet has {native} wei; this payment and its gas may need {needed}.")
        body = transaction.unsigned()
        draft = Draft(intent, (transaction.slot(home),), transaction.fee, self._rules.native, body)
        self._check(read_unsigned(draft.body), draft, home)
        return draft

    def _check(self, transaction: Transaction, draft: Draft, home: str) -> None:
        """Raise UnsafeTransaction unless every field is what the intent and the limits say."""
        fees = self._rules.fees
        pays = (transaction.to, transaction.value, transaction.call_data)
        if transaction.chain_id != self._rules.chain_id:
            raise UnsafeTransaction("a transaction for another chain")
        if pays != payment(draft.intent, self._rules.contract_by_asset):
            raise UnsafeTransaction("it does not pay what was intended")
        if draft.slots != (transaction.slot(home),):
            raise UnsafeTransaction("it uses up another nonce than was drafted")
        if draft.fee_asset != self._rules.native or transaction.fee != draft.fee or transaction.fee > fees.limit:
            raise UnsafeTransaction(f"it can cost {transaction.fee} wei: {draft.fee} drafted, {fees.limit} the limit")
        if not 0 < transaction.tip <= transaction.max_fee or not _PLAIN_GAS <= transaction.gas <= fees.gas_limit:
            raise UnsafeTransaction("its gas or its tip is out of bounds")

    async def _receipt(self, signed: SignedTransaction) -> Receipt | Standing:
        receipt = await self._node.receipt(signed.txid)
        if receipt is not None:
            return receipt
        if await self._node.waits(signed.txid):
            return Standing(Whereabouts.MEMPOOL)
        # It may have been mined between the two questions.
        return await self._node.receipt(signed.txid) or Standing(Whereabouts.UNKNOWN)

    def _mined(self, receipt: Receipt, sent: Transaction, sender: str, tip: int, final: int) -> Standing:
        height = number_of(receipt.block_number)
        if height > tip:
            raise ChainMoved("the chain moved while a refund was looked for")
        moved = 0
        if receipt.status == "0x1":
            receiver = "0x" + sent.call_data[16:36].hex()
            moved = receipt.transferred(sent.to, sender, receiver) if sent.call_data else sent.value
        return Standing(
            Whereabouts.MINED if moved else Whereabouts.FAILED,
            confirmations=tip - height + 1,
            height=height,
            block_hash=receipt.block_hash,
            fee=receipt.fee,
            final=height <= final,
            moved=moved,
        )


def _eighth_more(fee: int) -> int:
    """Return at least an eighth more: nodes ask for a tenth before they replace a transaction."""
    return fee + -(-fee // 8)
