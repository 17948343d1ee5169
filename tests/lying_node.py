"""An EVM node in front of a real one that lies when it is told to: withholds logs, invents blocks or ether, lags."""

from __future__ import annotations

import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

HOST = "127.0.0.1"
NO_BLOOM = "0x" + "0" * 512


class LyingNode:
    """A server for the length of a `with`; its attributes say how it lies."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._server = _Server(self)
        self.url = f"http://{HOST}:{self._server.server_port}"
        self.withholds_logs = False
        """No logs, no receipts with logs, and bloom filters that say there were none."""
        self.invents_ether = False
        """Every balance is one wei higher."""
        self.other_hash_from: int | None = None
        """From this height on every block has another hash."""
        self.lags_by = 0
        self.largest_range: int | None = None
        """As many blocks logs are given of at once; of more it says that the range is too large."""
        self.refused = 0
        self.forgets_before: int | None = None
        """Below this height it has blocks and no states, as nodes do that are no archive."""
        self._real_by_other: dict[str, str] = {}

    def __enter__(self) -> LyingNode:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, body: bytes) -> bytes:
        """Return the answer to a request or a batch of them."""
        asked = json.loads(body)
        if isinstance(asked, list):
            return json.dumps([self._one(each) for each in asked]).encode()
        return json.dumps(self._one(asked)).encode()

    def _one(self, asked: dict[str, Any]) -> dict[str, Any]:
        method, params = asked["method"], asked["params"]
        if method == "eth_getLogs" and self.largest_range and "fromBlock" in params[0]:
            wanted = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
            if wanted > self.largest_range:
                self.refused += 1
                return {"id": asked["id"], "jsonrpc": "2.0", "error": {"code": -32005, "message": "range too large"}}
        if method in ("eth_call", "eth_getStorageAt") and self._forgotten(params):
            self.refused += 1
            return {"id": asked["id"], "jsonrpc": "2.0", "error": {"code": -32000, "message": "missing trie node"}}
        if method == "eth_getBlockByNumber" and params[0] == "latest" and self.lags_by:
            tip = int(self._real("eth_blockNumber", [])["result"], 16)
            params = [hex(tip - self.lags_by), *params[1:]]
        told = self._real(method, self._meant(params))
        return {
            **told,
            "id": asked["id"],
            **({"result": self._lie(method, told["result"])} if "result" in told else {}),
        }

    def _forgotten(self, params: list[Any]) -> bool:
        at = next((each for each in params if isinstance(each, dict) and "blockHash" in each), None)
        if self.forgets_before is None or at is None:
            return False
        block = self._real("eth_getBlockByHash", [at["blockHash"], False])["result"]
        return block is not None and int(block["number"], 16) < self.forgets_before

    def _real(self, method: str, params: list[Any]) -> dict[str, Any]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self._target, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as reply:
            told: dict[str, Any] = json.loads(reply.read())
            return told

    def _lie(self, method: str, result: Any) -> Any:
        if result is None:
            return None
        if self.withholds_logs and method == "eth_getLogs":
            return []
        if self.withholds_logs and method == "eth_getBlockByNumber":
            result["logsBloom"] = NO_BLOOM
        if self.invents_ether and method == "eth_call":
            words = [result[2:][at : at + 64] for at in range(0, len(result) - 2, 64)]
            return "0x" + "".join(f"{int(word, 16) + 1:064x}" for word in words)
        if self.other_hash_from is not None:
            return self._renamed(result)
        return result

    def _renamed(self, result: Any) -> Any:
        """Give blocks beyond the fork, and whatever names them, hashes of this node's own."""
        if isinstance(result, list):
            return [self._renamed(each) for each in result]
        if not isinstance(result, dict):
            return result
        height = int(result.get("number") or result.get("blockNumber") or "0x0", 16)
        renamed = dict(result)
        assert self.other_hash_from is not None
        if height >= self.other_hash_from:
            for name in ("hash", "blockHash"):
                if name in renamed and (name == "blockHash" or "parentHash" in renamed):
                    renamed[name] = self._other(renamed[name])
            if height > self.other_hash_from and "parentHash" in renamed:
                renamed["parentHash"] = self._other(renamed["parentHash"])
        if "logs" in renamed:
            renamed["logs"] = self._renamed(renamed["logs"])
        return renamed

    def _meant(self, params: list[Any]) -> list[Any]:
        """Return the parameters with the hashes that the real node knows."""
        text = json.dumps(params)
        for other, real in self._real_by_other.items():
            text = text.replace(other, real)
        meant: list[Any] = json.loads(text)
        return meant

    def _other(self, block_hash: str) -> str:
        other = "0xfa" + block_hash[4:]
        self._real_by_other[other] = block_hash
        return other


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, node: LyingNode) -> None:
        super().__init__((HOST, 0), _Handler)
        self.node = node


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        payload = self.server.node.answer(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
