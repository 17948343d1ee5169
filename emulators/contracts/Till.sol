// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// A customer's smart-contract wallet, as small as one can be: it pays on with calls of its own, so that a
/// payment in ETH appears in no transaction's value and in no log, and several payments share one transaction.
contract Till {
    receive() external payable {}

    function pay(address payable to, uint256 value) external {
        (bool paid, ) = to.call{value: value}("");
        require(paid, "not paid");
    }

    /// Make several calls in one transaction, in this order.
    function batch(address[] calldata targets, bytes[] calldata inputs) external {
        for (uint256 i = 0; i < targets.length; i++) {
            (bool done, ) = targets[i].call(inputs[i]);
            require(done, "a call failed");
        }
    }
}
