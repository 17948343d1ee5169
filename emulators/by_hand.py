"""`make login`, `make pay PAYMENT=payment.json`: what a person does by hand with a wallet app."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from emulators.component import LOCAL
from emulators.people import sign_in
from emulators.platform import running_env
from emulators.wallets import BitcoinWallet, EvmWallet


def login(env: dict[str, str]) -> None:
    """Sign in with a fresh wallet, and print what a shell evaluates."""
    said, _ = sign_in(env["PUBLIC_URL"])
    print(f"API={env['PUBLIC_URL']} TOKEN={said['token']}")


def pay(env: dict[str, str], file: str) -> None:
    """Pay what a payment document asks for, on its chain, and mine the confirmations it needs."""
    payment = json.loads(Path(file).read_text())
    chain = json.loads(env["CHAINS"])[payment["chain"]]
    units, address, asset = int(payment["due"]["units"]), payment["address"], payment["asset"]
    if chain["kind"] == "bitcoin":
        bitcoin = BitcoinWallet(chain["rpc"])
        txid = bitcoin.pay(address, units)
        bitcoin.mine(payment["confirmations"])
    else:
        evm = EvmWallet(chain["rpc"])
        txid = evm.pay(asset, address, units)
        evm.mine(payment["confirmations"])
    print(f"paid {units} base units of {asset} to {address}: {txid}")


def main(arguments: list[str]) -> int:
    """Do the step that is named. Return 1 with what to do when no platform runs."""
    env = running_env(LOCAL / (os.environ.get("PROFILE") or "full"))
    if env is None:
        print("no platform is running: start one with `make run`", file=sys.stderr)
        return 1
    match arguments:
        case ["login"]:
            login(env)
        case ["pay", file]:
            pay(env, file)
        case _:
            print("usage: login | pay FILE", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
