// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// A smart-contract wallet that says who signs for it (EIP-1271): one owner, who can hand it over.
contract Keyring {
    address public owner = msg.sender;

    function handOver(address next) external {
        require(msg.sender == owner, "not the owner");
        owner = next;
    }

    /// Returns the magic value for a signature (r, s, v) of the owner over the hash, reverts on another length.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        require(signature.length == 65, "r, s, v");
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        address signer = ecrecover(hash, uint8(signature[64]), r, s);
        return signer != address(0) && signer == owner ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}
