"""EVM chains: a node over raw JSON-RPC, its blocks and logs as transfers, addresses and public derivation.

No private key belongs here: the hot wallet asks a signer. Nothing imports web3.
"""
