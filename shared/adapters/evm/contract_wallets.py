"""Smart-contract wallets: whether a contract takes a signature for its own (EIP-1271), asked of its chain's node."""

from collections.abc import Mapping
from typing import Final

from shared.adapters.evm.address import EvmAddresses
from shared.adapters.evm.keccak import keccak256
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.wallets.proving import NoSuchChain

LIMITS: Final = Limits(timeout_s=5, attempts=2, concurrent=4)
_GAS: Final = 2_000_000
"""As much may a contract compute. What wallets need is some ten thousand; a passkey's curve takes a few hundred."""
_SELECTOR: Final = "1626ba7e"
"""Of isValidSignature(bytes32,bytes), and at once the answer that says yes."""
_RAN: Final = ("revert", "out of gas", "outofgas", "invalid opcode", "opcode", "stack", "execution")
"""What nodes say when the code ran, and failed."""


class EvmContractWallets:
    """Fulfils `shared.wallets.ports.ContractWallets`."""

    def __init__(self, url_by_chain: Mapping[int, str]) -> None:
        self._url_by_chain = url_by_chain
        self._nodes: dict[int, JsonRpc] = {}

    async def close(self) -> None:
        """Close the connections."""
        for node in self._nodes.values():
            await node.close()

    async def signed(self, chain_id: int, address: str, message: str, signature: str) -> bool:
        """Return whether the contract at this EIP-55 address takes the signature of the message for its own, now."""
        if EvmAddresses().text(address.lower()) != address:
            return False
        call = {"to": address, "data": call_data(message, signature), "gas": hex(_GAS)}
        try:
            answer = await self._node(chain_id).call(str, "eth_call", call, "latest")
        except RpcRefused as refused:
            if any(word in refused.message.lower() for word in _RAN):
                return False
            raise
        return answer[2:].lower() == _SELECTOR.ljust(64, "0")

    def _node(self, chain_id: int) -> JsonRpc:
        if chain_id not in self._url_by_chain:
            raise NoSuchChain(chain_id)
        if chain_id not in self._nodes:
            self._nodes[chain_id] = JsonRpc(f"evm:{chain_id} wallets", self._url_by_chain[chain_id], LIMITS)
        return self._nodes[chain_id]


def call_data(message: str, signature: str) -> str:
    """Return the call isValidSignature(hash, signature), the hash being that of `personal_sign` (EIP-191)."""
    text, raw = message.encode(), bytes.fromhex(signature[2:])
    digest = keccak256(b"\x19Ethereum Signed Message:\n%d" % len(text) + text)
    padded = raw + bytes(-len(raw) % 32)
    words = digest + (64).to_bytes(32, "big") + len(raw).to_bytes(32, "big") + padded
    return f"0x{_SELECTOR}{words.hex()}"
