"""Bitcoin: a real node on regtest. `bitcoind` from the PATH, else Bitcoin Knots from Debian unstable.

The Debian packages are verified by apt against Debian's key, unpacked into `.local/bitcoin` and run through
their own dynamic loader, so nothing of the system changes. Standard library only: set-up calls `install`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emulators.component import (
    HOST,
    LOCAL,
    ComponentFailed,
    Process,
    Running,
    data_folder,
    port_for,
)
from emulators.json_rpc import RpcRefused, call

FAUCET = "faucet"
"""The node's own wallet: it mines, and fills the customers' wallets."""

FINAL_DEPTH = 6
_MATURE_BLOCKS = 101
_USER = "cortado"
_FOLDER = LOCAL / "bitcoin"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_ADVICE = "put a bitcoind on the PATH (macOS: brew install bitcoin; elsewhere: your packages, or bitcoincore.org)"
# What the package asks for but the program does not load.
_LIBRARY = re.compile(r"(lib(?!systemd|mount|selinux|blkid|pcre2|c-gconv)|zlib1g)\S*")


@dataclass
class Bitcoin:
    """One node, with a transaction index and REST, and a funded wallet named `faucet`.

    It has no peers, unless another one listens on `peer_port`; a node that is to `follow` one has no wallet.
    """

    name: str = "bitcoin"
    port: int | None = None
    peer_port: int | None = None
    follow: int | None = None

    def start(self, workdir: Path) -> Running:
        program = install()
        folder = data_folder(workdir, self.name)
        port = port_for(self.name, self.port)
        url = f"http://{_USER}:{_password(folder)}@{HOST}:{port}"
        server = Process(
            self.name,
            [*program, f"-datadir={folder}", f"-rpcport={port}", *self._peers()],
            workdir=workdir,
            ready=lambda: _answers(url),
            hint=f"A damaged data folder may be removed ({folder}).",
        )
        server.start()
        if self.follow is None:
            _fund(url)
        about = f"{_version(url)}, regtest, on {port}"
        return Running(self.name, about, {"BITCOIN_RPC_URL": url}, (server,))

    def _peers(self) -> list[str]:
        if self.peer_port is not None:
            return ["-listen=1", f"-bind={HOST}:{self.peer_port}", "-connect=0"]
        return [] if self.follow is None else [f"-connect={HOST}:{self.follow}"]


def chain(env: Mapping[str, str]) -> dict[str, object]:
    """Return the entry of CHAINS for this node. `env` is that of `Running`."""
    node = {"kind": "bitcoin", "network": "regtest", "rpc": env["BITCOIN_RPC_URL"]}
    return {"bitcoin": {**node, "confirmations": 1, "final_depth": FINAL_DEPTH}}


def install() -> list[str | Path]:
    """Return the command that runs bitcoind, after fetching it if need be (≈ 20 MB). Raises ComponentFailed."""
    if found := shutil.which("bitcoind"):
        return [found]
    if not _FOLDER.exists():
        _fetch()
    libraries = next((_FOLDER / "root/usr/lib").glob("*-linux-gnu*"))
    loader = next(libraries.glob("ld-linux*"))
    return [loader, "--library-path", libraries, _FOLDER / "root/usr/bin/bitcoind"]


def _fetch() -> None:
    missing = [tool for tool in ("apt-get", "dpkg") if not shutil.which(tool)]
    if missing or not _KEYRING.exists():
        lacking = " and ".join(missing) or f"{_KEYRING} (package debian-archive-keyring)"
        raise ComponentFailed(f"bitcoin: no bitcoind, and without {lacking} none can be fetched: {_ADVICE}")
    LOCAL.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bitcoin-", dir=LOCAL) as folder:
        unpacked = _unpack(Path(folder))
        try:
            unpacked.rename(_FOLDER)
        except OSError:
            if not _FOLDER.exists():  # otherwise another set-up was faster, and its node is as good
                raise


def _unpack(folder: Path) -> Path:
    """Fetch the package and its libraries, and return the folder that holds them as `root`."""
    apt = _private_apt(folder / "apt")
    packages = folder / "packages"
    unpacked = folder / "unpacked"
    packages.mkdir()
    unpacked.mkdir()
    _run(["apt-get", "update"], apt)
    plan = _run(["apt-get", "install", "--simulate", "--no-install-recommends", "bitcoin-knots"], apt)
    wanted = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    wanted = [name for name in wanted if name == "bitcoin-knots" or _LIBRARY.fullmatch(name)]
    _run(["apt-get", "download", *wanted], apt, cwd=packages)
    for package in packages.iterdir():
        _run(["dpkg", "-x", str(package), str(unpacked / "root")], apt)
    return unpacked


def _private_apt(root: Path) -> dict[str, str]:
    """Lay out an apt root of our own with Debian unstable in it, and return the variable that selects it."""
    for folder in (
        *("etc/apt/preferences.d", "etc/apt/apt.conf.d", "etc/apt/trusted.gpg.d", "etc/apt/sources.list.d"),
        *("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg", "var/log/apt"),
    ):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    source = f"deb [signed-by={_KEYRING}] {_mirror()} unstable main\n"
    (root / "etc/apt/sources.list").write_text(source)
    configuration = root / "apt.conf"
    lines = [
        f'Dir "{root}";',
        f'Dir::State::status "{root}/var/lib/dpkg/status";',
        'APT::Sandbox::User "";',
        # A mirror that lags is good enough for a test node; the signature is checked all the same.
        'Acquire::Check-Valid-Until "false";',
        'Acquire::Languages "none";',
    ]
    configuration.write_text("\n".join(lines) + "\n")
    return {"APT_CONFIG": str(configuration)}


def _mirror() -> str:
    """Return the Debian mirror this machine uses, else Debian's own."""
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for path in lists:
        text = path.read_text(errors="replace") if path.is_file() else ""
        if found := re.search(r"^(?:deb|URIs:)\s.*?(https?://\S+/debian)/?(?=\s|$)", text, re.MULTILINE):
            return found[1]
    return "http://deb.debian.org/debian"


def _run(argv: list[str], env: dict[str, str], cwd: Path | None = None) -> str:
    done = subprocess.run(argv, env={**os.environ, **env}, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        last = said[-1] if said else "it said nothing"
        raise ComponentFailed(f"bitcoin: {' '.join(argv[:2])} failed: {last}. Try again, or {_ADVICE}")
    return done.stdout


def _password(folder: Path) -> str:
    """Write the node's configuration, and return the RPC password in it: a new one on the first start."""
    path = folder / "bitcoin.conf"
    path.touch(mode=0o600)
    kept = re.search(r"^rpcpassword=(\w+)$", path.read_text(), re.MULTILINE)
    password = kept[1] if kept else secrets.token_hex(16)
    path.write_text(_configuration(password))
    return password


def _configuration(password: str) -> str:
    return f"""regtest=1
server=1
rest=1
txindex=1
fallbackfee=0.0001
blockmaxweight=4000000
rpcworkqueue=256
rpcthreads=8
dbcache=64
printtoconsole=1
nodebuglogfile=1
rpcuser={_USER}
rpcpassword={password}
[regtest]
listen=0
dnsseed=0
rpcbind={HOST}
rpcallowip={HOST}
"""


def _answers(url: str) -> bool:
    try:
        call(url, "getblockchaininfo", timeout_s=2)
    except (OSError, RpcRefused):  # not listening yet, or still warming up
        return False
    return True


def _fund(url: str) -> None:
    """Give the faucet mature coins, and leave initial block download (a tip older than a day)."""
    if FAUCET not in call(url, "listwallets"):
        known = [wallet["name"] for wallet in call(url, "listwalletdir")["wallets"]]
        if FAUCET in known:
            call(url, "loadwallet", FAUCET, True)
        else:
            call(url, "createwallet", FAUCET, False, False, "", False, True, True)
    address = call(f"{url}/wallet/{FAUCET}", "getnewaddress")
    height = int(call(url, "getblockcount"))
    call(url, "generatetoaddress", max(1, _MATURE_BLOCKS - height), address)


def _version(url: str) -> str:
    """Return for example "Bitcoin Knots 29.4.3"."""
    said = str(call(url, "getnetworkinfo")["subversion"]).strip("/")
    number = said.partition(":")[2].split("/")[0].split("(")[0]
    return f"{'Bitcoin Knots' if 'Knots' in said else 'Bitcoin Core'} {number}"
