// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// A token with the habits of USDT: `transfer` and its kin return nothing, the owner can switch on a fee that
/// is taken from what arrives (with a log of its own), and blacklisted senders are refused while blacklisted
/// receivers still receive. For local chains only.
contract Usdt {
    string public constant name = "Tether USD (local)";
    string public constant symbol = "USDT";
    uint256 public constant decimals = 6; // a uint, as in the original

    address public immutable owner;
    bool public paused;
    uint256 public totalSupply;
    uint256 public basisPointsRate;
    uint256 public maximumFee;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(address => bool) public isBlackListed;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Params(uint256 feeBasisPoints, uint256 maxFee);

    modifier onlyOwner() {
        require(msg.sender == owner, "caller is not the owner");
        _;
    }

    constructor() {
        owner = msg.sender;
    }

    function transfer(address to, uint256 value) external {
        _move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external {
        require(allowance[from][msg.sender] >= value, "allowance exceeded");
        if (allowance[from][msg.sender] < type(uint256).max) allowance[from][msg.sender] -= value;
        _move(from, to, value);
    }

    function approve(address spender, uint256 value) external {
        require(value == 0 || allowance[msg.sender][spender] == 0, "set the allowance to zero first");
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
    }

    function issue(address to, uint256 value) external onlyOwner {
        totalSupply += value;
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function setParams(uint256 feeBasisPoints, uint256 maxFee) external onlyOwner {
        require(feeBasisPoints < 20 && maxFee < 50 * 10 ** decimals, "beyond the limits");
        basisPointsRate = feeBasisPoints;
        maximumFee = maxFee;
        emit Params(feeBasisPoints, maxFee);
    }

    function setPaused(bool value) external onlyOwner {
        paused = value;
    }

    function setBlackListed(address account, bool value) external onlyOwner {
        isBlackListed[account] = value;
    }

    function _move(address from, address to, uint256 value) private {
        require(!paused, "paused");
        require(!isBlackListed[from], "sender is blacklisted");
        require(balanceOf[from] >= value, "balance exceeded");
        uint256 fee = (value * basisPointsRate) / 10000;
        if (fee > maximumFee) fee = maximumFee;
        balanceOf[from] -= value;
        balanceOf[to] += value - fee;
        emit Transfer(from, to, value - fee);
        if (fee > 0) {
            balanceOf[owner] += fee;
            emit Transfer(from, owner, fee);
        }
    }
}
