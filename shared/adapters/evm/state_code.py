"""Code that is run in one call on a node's state, in place of a contract, to read many addresses at once."""

from typing import Final

# memory[0] = selector of balanceOf(address); for (i = 32; i < calldatasize; i += 32) { memory[4] = calldata[i];
# memory[64 + i] = staticcall(calldata[0], memory[0..36]) or revert }; return memory[96..]
TOKEN_CODE: Final = (
    "0x6370a0823160e01b60005260205b80361115603a578035600452602081604001602460006000355afa1560425"
    "73d602011604257602001600d565b602090036060f35b60006000fd"
)
"""Balances of a token: call data are its contract and the addresses, a word each."""

# for (i = 0; i < calldatasize; i += 32) memory[i] = extcodehash(calldata[i]); return memory
CODE_HASHES: Final = "0x60005b803690101560165780353f81526020016002565b366000f3"
"""Hashes of the code at addresses: call data are the addresses, a word each."""
