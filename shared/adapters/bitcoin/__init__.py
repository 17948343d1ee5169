"""Bitcoin: a node over RPC and REST, its blocks and mempool as transfers, addresses and public derivation.

No private key belongs here: the hot wallet asks a signer.
"""
