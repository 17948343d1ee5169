"""`make login`, `make pay`: what a person does by hand with a wallet app."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from emulators.component import ComponentFailed, profile_folder
from emulators.people import Api, StepFailed, sign_in, until
from emulators.platform import running_env
from emulators.wallets import BitcoinWallet, EvmWallet
from shared.kernel.money import Money


def login(env: dict[str, str]) -> None:
    """Sign in with a fresh wallet, and print what a shell evaluates."""
    said, _ = sign_in(env["PUBLIC_URL"])
    print(f"export API={env['PUBLIC_URL']} TOKEN={said['token']}")


def pay(env: dict[str, str], payment: dict[str, Any], token: str) -> None:
    """Pay what a payment document asks for, on its chain, and wait until the platform has confirmed the order.

    Raises StepFailed when it does not within a minute.
    """
    chain = json.loads(env["CHAINS"])[payment["chain"]]
    due, address = Money.model_validate(payment["due"]), payment["address"]
    if chain["kind"] == "bitcoin":
        bitcoin = BitcoinWallet(chain["rpc"])
        txid = bitcoin.pay(address, due.units)
        bitcoin.mine(payment["confirmations"])
    else:
        evm = EvmWallet(chain["rpc"])
        txid = evm.pay(due.asset, address, due.units)
        evm.mine(payment["confirmations"])
    print(f"paid {due} to {address}: {txid}")
    api = Api(env["PUBLIC_URL"], token=token)
    until("the payment to settle", lambda: api.get(f"/v1/payments/{payment['payment_id']}")["settled"] or None)
    order = f"/v1/orders/{payment['order_id']}"
    until("the order to go on", lambda: None if api.get(order)["status"] == "pending" else True)


def main(arguments: list[str]) -> int:
    """Do the step that is named. Return 1 with what to do when it can't be done."""
    try:
        env = running_env(profile_folder())
        if env is None:
            raise ComponentFailed("no platform is running: start one with `make run`")
        match arguments:
            case ["login"]:
                login(env)
            case ["pay"]:
                pay(env, _payment(sys.stdin.read()), _token())
            case _:
                raise ComponentFailed("say what: login, or pay")
    except (ComponentFailed, StepFailed) as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def _payment(text: str) -> dict[str, Any]:
    """Return the payment that was answered to the request for one. Raises ComponentFailed for anything else."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not {"payment_id", "address", "due"} <= document.keys():
        raise ComponentFailed(f"pay: a payment is expected, as the platform answered it, and not {text!r:.200}")
    return document


def _token() -> str:
    if token := os.environ.get("TOKEN"):
        return token
    raise ComponentFailed('TOKEN is not set: sign in first, with `eval "$(make -s login)"`')


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
