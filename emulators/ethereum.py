"""Ethereum: anvil from npm, a chain of one node with a USDC-like and a USDT-like token on it.

Its blocks survive a restart. A transaction is mined at once; further blocks come by command (`wallets.py`).
`finalized` trails the tip by two epochs of eight blocks.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emulators.component import HOST, ComponentFailed, Process, Running, data_folder, port_for
from emulators.json_rpc import RpcRefused, call

CHAIN_ID = 31337
MNEMONIC = "test test test test test test test test test test test junk"
ACCOUNTS = 10
# The last account deploys, so that what the others did before can't change a contract's address.
DEPLOYER = "0xa0ee7a142d267c1f36714e4a8f75612f20a79720"
USDC = "0x700b6A60ce7EaaEA56F065753d8dcB9653dbAD35"
USDT = "0xA15BB66138824a1c7167f5E85b957d04Dd34E468"
PURSE_UNITS = 1_000_000 * 10**6
"""Units of each token that every account but the deployer starts with."""

_CONTRACTS = Path(__file__).with_name("contracts") / "compiled"
_NPM = Path(__file__).with_name("node_modules") / "@foundry-rs"
MINT = "40c10f19"  # mint(address,uint256)
ISSUE = "867904b4"  # issue(address,uint256)
SAVE_EVERY_S = 5
NEVER_S = 86_400
"""Only when it is stopped. Saving stops the node: for six seconds where 2,800 blocks and their states are kept."""


@dataclass
class Ethereum:
    """An anvil node, its chain saved in the data folder every few seconds and when it stops."""

    name: str = "ethereum"
    port: int | None = None
    chain_id: int = CHAIN_ID
    save_every_s: int = SAVE_EVERY_S

    def start(self, workdir: Path) -> Running:
        program = _program()
        port = port_for(self.name, self.port)
        url = f"http://{HOST}:{port}"
        state = data_folder(workdir, self.name) / "state.json"
        server = Process(
            self.name,
            [
                *(program, "--host", HOST, "--port", str(port), "--chain-id", str(self.chain_id)),
                *("--mnemonic", MNEMONIC, "--accounts", str(ACCOUNTS)),
                *("--preserve-historical-states", "--slots-in-an-epoch", "8", "--no-request-size-limit"),
                *("--state", state, "--state-interval", str(self.save_every_s)),
            ],
            workdir=workdir,
            ready=lambda: _answers(url, self.chain_id),
            hint=f"A damaged chain may be removed ({state}).",
        )
        server.start()
        _deploy(url)
        about = f"{call(url, 'web3_clientVersion').replace('/v', ' ')}, chain {self.chain_id}, on {port}"
        return Running(self.name, about, {"EVM_RPC_URL": url}, (server,))


def chain(env: Mapping[str, str]) -> dict[str, object]:
    """Return the entry of CHAINS for this node. `env` is that of `Running`."""
    tokens = {"USDC": {"contract": USDC, "decimals": 6}, "USDT": {"contract": USDT, "decimals": 6}}
    node = {"kind": "evm", "chain_id": CHAIN_ID, "rpc": env["EVM_RPC_URL"], "native": "ETH"}
    return {f"evm:{CHAIN_ID}": {**node, "tokens": tokens, "finality": "tag"}}


def abi(contract: str) -> list[dict[str, object]]:
    """Return the ABI of a compiled contract: usdc, usdt, till."""
    return list(_compiled(contract)["abi"])


def bytecode(contract: str) -> str:
    """Return the creation code of a compiled contract, in hex with 0x."""
    return str(_compiled(contract)["bytecode"])


def _compiled(contract: str) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads((_CONTRACTS / f"{contract}.json").read_text())
    return found


def _program() -> Path:
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    architecture = machine.get(platform.machine().lower(), platform.machine())
    packaged = _NPM / f"anvil-{sys.platform}-{architecture}" / "bin" / "anvil"
    if packaged.exists():
        return packaged
    if found := shutil.which("anvil"):
        return Path(found)
    raise ComponentFailed("ethereum: no anvil: run `make setup`, or put Foundry's anvil on the PATH")


def _answers(url: str, chain_id: int) -> bool:
    try:
        return int(call(url, "eth_chainId", timeout_s=2), 16) == chain_id
    except (OSError, RpcRefused):  # not listening yet
        return False


def _deploy(url: str) -> None:
    """Put both tokens on a new chain, and fill the accounts' purses."""
    if call(url, "eth_getCode", USDT, "latest") != "0x":
        return
    for contract, address in (("usdc", USDC), ("usdt", USDT)):
        if call(url, "eth_getCode", address, "latest") != "0x":
            continue  # the last start ended between the two
        receipt = _send(url, {"data": bytecode(contract)})
        if str(receipt["contractAddress"]).lower() != address.lower():
            raise ComponentFailed(
                f"ethereum: {contract} went to {receipt['contractAddress']}, not {address}: "
                "remove the chain's data folder and start again"
            )
    for account in call(url, "eth_accounts"):
        if account.lower() != DEPLOYER:
            argument = account[2:].rjust(64, "0") + f"{PURSE_UNITS:064x}"
            _send(url, {"to": USDC, "data": f"0x{MINT}{argument}"})
            _send(url, {"to": USDT, "data": f"0x{ISSUE}{argument}"})


def _send(url: str, transaction: dict[str, str]) -> dict[str, str]:
    txid = call(url, "eth_sendTransaction", {"from": DEPLOYER, **transaction})
    deadline = time.monotonic() + 10
    while not (receipt := call(url, "eth_getTransactionReceipt", txid)):
        if time.monotonic() > deadline:
            raise ComponentFailed(f"ethereum: transaction {txid} was not mined within 10 s")
        time.sleep(0.01)
    if receipt["status"] != "0x1":
        raise ComponentFailed(f"ethereum: transaction {txid} failed: remove the chain's data folder")
    return dict(receipt)
