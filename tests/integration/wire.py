"""A wire to Postgres that can be cut at a chosen word: before the server heard it, or after it answered."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Relays bytes between clients and a server, in threads, until told to misbehave."""

    def __init__(self, url: str) -> None:
        """`url` is the server's; `self.url` is the same through this wire."""
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
        self.cuts = 0
        self._word: tuple[bytes, bool] | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_before(self, word: str) -> None:
        """The next request that holds `word` never reaches the server."""
        self._word = (word.encode(), False)

    def cut_after(self, word: str) -> None:
        """The next request that holds `word` is carried out, but its answer never reaches the client."""
        self._word = (word.encode(), True)

    def close(self) -> None:
        """Accept no more; what is connected ends with its client."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            muted = threading.Event()
            threading.Thread(target=self._up, args=(client, server, muted), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server, muted), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, muted: threading.Event) -> None:
        while data := _read(client):
            cut = self._cut(data)
            if cut is False:
                break
            if cut:
                muted.set()
            server.sendall(data)
        _hang_up(client)
        _hang_up(server)

    def _down(self, client: socket.socket, server: socket.socket, muted: threading.Event) -> None:
        while data := _read(server):
            if muted.is_set() and data[-6:-1] == b"Z\x00\x00\x00\x05":  # ready for the next query: all is done
                break
            if not muted.is_set():
                client.sendall(data)
        _hang_up(client)
        _hang_up(server)

    def _cut(self, data: bytes) -> bool | None:
        """Return whether to cut after (True) or before (False) this request, or None to leave it alone."""
        with self._lock:
            if self._word is None or self._word[0] not in data:
                return None
            after, self._word = self._word[1], None
            self.cuts += 1
            return after


def _read(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except OSError:
        return b""


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
    finally:
        sock.close()
