// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// A price on chain as Chainlink's aggregators show it (AggregatorV3Interface), written to by anybody: `post` as an
/// oracle would, `put` as no oracle should. A sequencer's uptime feed looks the same; its answer is 0 (up) or 1.
contract Aggregator {
    uint8 public decimals;
    string public description;
    uint256 public constant version = 4;

    uint80 private _roundId;
    int256 private _answer;
    uint256 private _startedAt;
    uint256 private _updatedAt;
    uint80 private _answeredInRound;

    constructor(uint8 decimals_, string memory description_, int256 answer_) {
        decimals = decimals_;
        description = description_;
        post(answer_);
    }

    /// A new round, answered now.
    function post(int256 answer) public {
        put(_roundId + 1, answer, block.timestamp, block.timestamp, _roundId + 1);
    }

    /// Any round at all.
    function put(uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound) public {
        (_roundId, _answer, _startedAt, _updatedAt, _answeredInRound) = (
            roundId,
            answer,
            startedAt,
            updatedAt,
            answeredInRound
        );
    }

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        require(_updatedAt > 0, "No data present");
        return (_roundId, _answer, _startedAt, _updatedAt, _answeredInRound);
    }

    /// For tests of what a wrong contract says.
    function describe(uint8 decimals_, string memory description_) external {
        decimals = decimals_;
        description = description_;
    }
}
