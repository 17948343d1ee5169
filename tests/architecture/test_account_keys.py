"""Nothing private on what serves HTTP, nor anywhere but where refunds are signed: read from the sources.

Account keys are public; whoever has one and a single private child key has them all. So no deployed code but the
signer's can make, read or derive a private key, and only a few functions can open an account key at all.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from triggers.registry import ROOT, load

DEPLOYED: Final = sorted(path for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.py"))
SIGNING: Final = ROOT / "shared/adapters/signing"
PRIVATE_NAMES: Final = frozenset(
    {
        "PrivateKey",
        "from_seed",
        "from_mnemonic",
        "mnemonic_to_seed",
        "sign_with",
        "from_wif",
        "wif",
        "to_private",
    }
)
PRIVATE_MODULES: Final = ("bip_utils", "eth_account", "eth_keys", "embit.bip39", "embit.wordlists", "bit", "ecdsa")
MAY_OPEN: Final = frozenset(
    {
        "register_shop",
        "request_payout_challenge",
        "prove_payout",
        "propose_payout",
        "confirm_payout",
        "generate_payment_address",
        "fill_address_pool",
        "plan_sweep",
    }
)

BOTH_FOR_OTHER_REASONS: Final = frozenset(
    {
        "sign_in_with_ethereum",
        "requote_payment",
        "link_wallet",
        "get_wallet_balances",
        "list_wallet_transfers",
    }
)
"""The first recovers a signer and makes a token; the second signs a quote for an address that is there; the others open
or seal the address of somebody's wallet, and check a signature or write the address as its chain does."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def private(path: Path) -> Iterator[str]:
    """Yield what a file names or imports that makes, reads or derives private keys."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE_NAMES:
            yield f"{path.relative_to(ROOT)}:{node.lineno}: .{node.attr}"
        elif isinstance(node, ast.Name) and node.id in PRIVATE_NAMES:
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.id}"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for module in modules:
                if any(module == one or module.startswith(f"{one}.") for one in PRIVATE_MODULES):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}: import {module}"


def test_no_deployed_code_but_the_signers_can_have_a_private_key_of_a_chain() -> None:
    found = [one for path in DEPLOYED if SIGNING not in path.parents for one in private(path)]
    assert found == []


def test_what_signs_would_be_found() -> None:
    assert list(private(SIGNING / "local_key.py"))
    assert list(private(ROOT / "emulators/merchant_keys.py"))


def needing(need: str) -> set[str]:
    return {entry.operation for entry in load() if need in entry.needs}


def test_only_these_functions_have_what_opening_an_account_key_takes() -> None:
    """To open one takes the cipher (`tokens`) and the curve (`keys`), and the registry gives both to these alone."""
    assert needing("keys") & needing("tokens") == MAY_OPEN | BOTH_FOR_OTHER_REASONS


@pytest.mark.parametrize("operation", sorted(MAY_OPEN))
def test_what_opens_account_keys_signs_nothing(operation: str) -> None:
    assert "signing" not in load()[operation].needs


def test_an_account_key_is_opened_in_one_module_and_its_text_goes_nowhere_else() -> None:
    """`SealedAccountKeys.open` is called where addresses are derived, a challenge is made and a sweep is planned."""
    callers = set()
    for path in DEPLOYED:
        for node in ast.walk(tree(path)):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "open"
            if called and isinstance(node, ast.Call) and len(node.args) == 3:
                callers.add(str(path.relative_to(ROOT)))
    assert callers == {
        "shared/adapters/receive_addresses.py",
        "shared/adapters/postgres/sweeps.py",
        "shared/shops/request_payout_challenge.py",
    }
