"""Customers' wallets for the demo and the journeys: they pay on the local chains, mine, and reorganise them.

Each wallet has a key of its own and coins of its own, so tests don't wait for one another. Blocking. The keys
are for local chains only. The Bitcoin wallet is nested segwit (P2SH-P2WPKH), signed by `bit`; the Ethereum
wallet goes through `web3`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bit import PrivateKeyTestnet
from bit.network.meta import Unspent
from eth_account import Account
from eth_typing import HexStr
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.contract import Contract

from emulators import ethereum
from emulators.bitcoin import FAUCET
from emulators.json_rpc import call

SATOSHI = 100_000_000
_PURSE_SATOSHI = 2 * SATOSHI
_PURSE_WEI = 1_000 * 10**18
_FEE_RATE = 5  # satoshi per byte
_REPLACEMENT_FEE_RATE = 25


class WalletFailed(Exception):
    """A wallet can't do what was asked; the message says why."""


class BitcoinWallet:
    """A customer on regtest with 2 BTC, in as many coins as `coins` says. `rpc_url` carries the password."""

    def __init__(self, rpc_url: str, *, wif: str | None = None, coins: int = 2) -> None:
        self.rpc_url = rpc_url
        self._faucet = f"{rpc_url}/wallet/{FAUCET}"
        self._key = PrivateKeyTestnet(wif)
        self.address: str = self._key.segwit_address
        self.wif: str = self._key.to_wif()
        self._script: str = call(rpc_url, "validateaddress", self.address)["scriptPubKey"]
        self._watch_url = f"{rpc_url}/wallet/{self._watch_only()}"
        if wif is None:
            self.fund(_PURSE_SATOSHI, coins=coins)

    def fund(self, satoshi: int, *, coins: int = 1) -> None:
        """Receive so much from the faucet, in equal confirmed coins."""
        for _ in range(coins):
            call(self._faucet, "sendtoaddress", self.address, _btc(satoshi // coins))
        self.mine(1)

    def pay(self, address: str, satoshi: int, *, fee_rate: int = _FEE_RATE) -> str:
        """Broadcast a payment, and return its txid. It is in the mempool until somebody mines."""
        return self.pay_many([(address, satoshi)], fee_rate=fee_rate)

    def pay_many(self, outputs: Sequence[tuple[str, int]], *, fee_rate: int = _FEE_RATE) -> str:
        """Broadcast one transaction that pays all these (address, satoshi), and return its txid."""
        return self._broadcast(self._signed(outputs, self._coins(), fee_rate), outputs)

    def replace(self, txid: str) -> str:
        """Spend the inputs of an unconfirmed payment back to oneself for a higher fee; return the new txid."""
        decoded = call(self.rpc_url, "getrawtransaction", txid, True)
        coins = [self._spent(each["txid"], each["vout"]) for each in decoded["vin"]]
        return self._broadcast(self._signed([], coins, _REPLACEMENT_FEE_RATE), [])

    def balance(self) -> int:
        """Return the satoshi of the wallet, unconfirmed ones included."""
        return sum(int(coin.amount) for coin in self._coins())

    def mine(self, blocks: int = 1) -> list[str]:
        """Mine blocks with what is in the mempool, and return their hashes."""
        mined = call(self.rpc_url, "generatetoaddress", blocks, call(self._faucet, "getnewaddress"))
        return [str(each) for each in mined]

    def reorg(self, depth: int, *, keep: bool = True) -> list[str]:
        """Replace the last `depth` blocks by `depth` + 1 others, and return their hashes.

        The transactions of the lost blocks are back in the mempool; with `keep` the first new block includes
        them again, else the new blocks are empty and they stay unconfirmed.
        """
        height = int(call(self.rpc_url, "getblockcount"))
        call(self.rpc_url, "invalidateblock", call(self.rpc_url, "getblockhash", height - depth + 1))
        if keep:
            return self.mine(depth + 1)
        address = call(self._faucet, "getnewaddress")
        return [call(self.rpc_url, "generateblock", address, [])["hash"] for _ in range(depth + 1)]

    def _watch_only(self) -> str:
        """Make the node keep an eye on our address, so that it lists our coins; return its wallet's name."""
        name = f"customer-{self.address}"
        if name in call(self.rpc_url, "listwallets"):
            return name
        if any(wallet["name"] == name for wallet in call(self.rpc_url, "listwalletdir")["wallets"]):
            call(self.rpc_url, "loadwallet", name)
            return name
        call(self.rpc_url, "createwallet", name, True, True, "", False, True, False)
        descriptor = call(self.rpc_url, "getdescriptorinfo", f"addr({self.address})")["descriptor"]
        imported = call(f"{self.rpc_url}/wallet/{name}", "importdescriptors", [{"desc": descriptor, "timestamp": 0}])
        if not imported[0]["success"]:
            raise WalletFailed(f"the node does not watch {self.address}: {imported[0]}")
        return name

    def _coins(self) -> list[Unspent]:
        listed = call(self._watch_url, "listunspent", 0)
        return [self._coin(each["txid"], each["vout"], each["amount"], each["confirmations"]) for each in listed]

    def _spent(self, txid: str, output: int) -> Unspent:
        decoded = call(self.rpc_url, "getrawtransaction", txid, True)
        return self._coin(txid, output, decoded["vout"][output]["value"], decoded.get("confirmations", 0))

    def _coin(self, txid: str, output: int, btc: float, confirmations: int) -> Unspent:
        satoshi = int(Decimal(str(btc)) * SATOSHI)
        return Unspent(satoshi, confirmations, self._script, txid, output, "np2wkh")

    def _signed(self, outputs: Sequence[tuple[str, int]], coins: list[Unspent], fee_rate: int) -> str:
        if not coins:
            raise WalletFailed(f"{self.address} has no coins: fund it")
        return str(
            self._key.create_transaction(
                [(address, satoshi, "satoshi") for address, satoshi in outputs],
                fee=fee_rate,
                unspents=coins,
                combine=not outputs,
                leftover=self.address,
                replace_by_fee=True,
            )
        )

    def _broadcast(self, raw: str, outputs: Sequence[tuple[str, int]]) -> str:
        """Broadcast after a look at what was really built: `bit` can return nonsense without an exception."""
        decoded = call(self.rpc_url, "decoderawtransaction", raw)
        unsigned = [each for each in decoded["vin"] if not each.get("txinwitness")]
        if unsigned:
            raise WalletFailed("the transaction has unsigned inputs")
        wanted = sorted((script_of(self.rpc_url, address), satoshi) for address, satoshi in outputs)
        built = [(each["scriptPubKey"]["hex"], int(Decimal(str(each["value"])) * SATOSHI)) for each in decoded["vout"]]
        change = [each for each in built if each[0] == self._script]
        if sorted(each for each in built if each not in change) != wanted or len(change) > 1:
            raise WalletFailed(f"the transaction pays {built}, not {wanted}")
        return str(call(self.rpc_url, "sendrawtransaction", raw))


class EvmWallet:
    """A customer on anvil with 1,000 ETH and 100,000 of each token."""

    def __init__(self, rpc_url: str, *, private_key: str | None = None) -> None:
        self.rpc_url = rpc_url
        self._web3 = Web3(HTTPProvider(rpc_url))
        self._chain_id = int(call(rpc_url, "eth_chainId"), 16)
        self._account: Any = Account.from_key(private_key) if private_key else Account.create()
        self.address: str = self._account.address
        self.private_key: str = "0x" + bytes(self._account.key).hex()
        self._token_by_asset = {
            "USDC": self._contract("usdc", ethereum.USDC),
            "USDT": self._contract("usdt", ethereum.USDT),
        }
        if private_key is None:
            self.fund()

    def fund(self) -> None:
        """Receive ETH from nowhere, and tokens from their issuer."""
        call(self.rpc_url, "anvil_setBalance", self.address, hex(_PURSE_WEI))
        units = ethereum.PURSE_UNITS // 10
        self.issuer("USDC", "mint", self.address, units)
        self.issuer("USDT", "issue", self.address, units)

    def issuer(self, asset: str, method: str, *arguments: object) -> str:
        """Call a token as its owner (`mint`, `issue`, `setParams`, `setPaused`…), and return the txid."""
        function = self._token_by_asset[asset].functions[method](*arguments)
        deployer = Web3.to_checksum_address(ethereum.DEPLOYER)
        return self._included(function.transact({"from": deployer}))

    def pay(self, asset: str, address: str, units: int) -> str:
        """Broadcast a payment in ETH (wei), USDC or USDT (units), and return its txid.

        It is in a block on return, unless `automine(False)` made the chain wait for `mine`.
        """
        to = Web3.to_checksum_address(address)
        if asset == "ETH":
            return self.send({"to": to, "value": units})
        token, call_data = self.transfer_call(asset, to, units)
        return self.send({"to": token, "data": call_data})

    def deploy(self, contract: str, *, wei: int = 0) -> str:
        """Deploy a compiled contract (till, usdc…), give it ETH, and return its address."""
        txid = self.send({"data": ethereum.bytecode(contract)})
        receipt = self._web3.eth.wait_for_transaction_receipt(HexStr(txid), poll_latency=0.02)
        address = receipt["contractAddress"]
        if address is None:
            raise WalletFailed(f"{contract} was not deployed by {txid}")
        if wei:
            self.send({"to": address, "value": wei})
        return str(address)

    def call(self, contract: str, address: str, method: str, *arguments: object) -> str:
        """Call a deployed contract, and return the txid."""
        deployed = self._contract(contract, address)
        return self.send({"to": deployed.address, "data": deployed.encode_abi(method, args=arguments)})

    def transfer_call(self, asset: str, address: str, units: int) -> tuple[str, str]:
        """Return (token contract, call data) of a transfer, for somebody else to send."""
        token = self._token_by_asset[asset]
        return str(token.address), token.encode_abi("transfer", args=[Web3.to_checksum_address(address), units])

    def balance(self, asset: str) -> int:
        """Return the wallet's units of the asset (wei for ETH)."""
        owner = Web3.to_checksum_address(self.address)
        if asset == "ETH":
            return int(self._web3.eth.get_balance(owner))
        return int(self._token_by_asset[asset].functions.balanceOf(owner).call())

    def mine(self, blocks: int = 1) -> None:
        """Mine blocks, the first with what waits in the mempool."""
        call(self.rpc_url, "anvil_mine", hex(blocks))

    def automine(self, on: bool) -> None:
        """Say whether each transaction is mined at once (as it is at the start) or waits for `mine`."""
        call(self.rpc_url, "evm_setAutomine", on)

    def reorg(self, depth: int, *, keep: Sequence[str] = ()) -> None:
        """Replace the last `depth` blocks by as many others, and mine one more.

        Their transactions are lost, but for those of `keep` (txids): the first new block has them, in this
        order.
        """
        raws = [call(self.rpc_url, "eth_getRawTransactionByHash", txid) for txid in keep]
        call(self.rpc_url, "anvil_reorg", depth, [[raw, 0] for raw in raws])
        call(self.rpc_url, "evm_setTime", int(time.time()))  # its clock has gone back with the blocks
        self.mine(1)

    def _contract(self, name: str, address: str) -> Contract:
        abi: Any = ethereum.abi(name)
        return self._web3.eth.contract(address=Web3.to_checksum_address(address), abi=abi)

    def send(self, transaction: Mapping[str, object]) -> str:
        """Sign and broadcast (to, value, data; gas is estimated where it is missing), and return the txid."""
        fees = {"maxFeePerGas": 100 * 10**9, "maxPriorityFeePerGas": 10**9}
        full: Any = {
            "from": self.address,
            "chainId": self._chain_id,
            "nonce": self._web3.eth.get_transaction_count(Web3.to_checksum_address(self.address), "pending"),
            **fees,
            **transaction,
        }
        if "gas" not in full:
            full["gas"] = self._web3.eth.estimate_gas(full)
        signed = self._account.sign_transaction(full)
        return self._included(self._web3.eth.send_raw_transaction(signed.raw_transaction))

    def _included(self, txid: HexBytes) -> str:
        """Return the txid as text; on a chain that mines at once, only when its block is there."""
        if call(self.rpc_url, "anvil_getAutomine"):
            self._web3.eth.wait_for_transaction_receipt(txid, timeout=10, poll_latency=0.005)
        return Web3.to_hex(txid)


def script_of(rpc_url: str, address: str) -> str:
    """Return the scriptPubKey of a Bitcoin address in hex, as the node knows it."""
    known = call(rpc_url, "validateaddress", address)
    if not known["isvalid"]:
        raise WalletFailed(f"{address} is no address of this chain")
    return str(known["scriptPubKey"])


def _btc(satoshi: int) -> str:
    return f"{Decimal(satoshi) / SATOSHI:.8f}"
