"""Google's Firestore emulator, or npm's `@firestore-emulator/server` where the SDK or Java is missing.

Both keep documents in memory. A live document is a projection, written anew from Postgres by the next fact.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from emulators.component import HOST, ROOT, ComponentFailed, Process, Running, port_for, port_open
from emulators.google_sdk import emulator_jar
from emulators.pubsub import PROJECT

_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_NPM = ROOT / "emulators" / "node_modules" / "@firestore-emulator" / "server"
# The package's own start() binds every address; this machine's loopback is enough.
_NPM_START = """
const load = require("module").createRequire(process.argv[1] + "/package.json");
const { FirestoreServer } = require(process.argv[1]);
const { ServerCredentials } = load("@grpc/grpc-js");
new FirestoreServer().server.bindAsync(process.argv[2], ServerCredentials.createInsecure(), (failure) => {
  if (failure) throw failure;
});
"""


@dataclass
class Firestore:
    """Documents, queries and listeners. `light`: the embedded server in any case."""

    name: str = "firestore"
    light: bool = False
    port: int | None = None

    def start(self, workdir: Path) -> Running:
        port = port_for(self.name, self.port)
        jar = None if self.light else emulator_jar("cloud-firestore-emulator")
        if jar:
            about, argv = "Google's emulator", _google(jar, port)
        else:
            about, argv = "embedded server", _embedded(port)
        server = Process(self.name, argv, workdir=workdir, ready=lambda: port_open(port), grace_s=2)
        server.start()
        env = {"FIRESTORE_EMULATOR_HOST": f"{HOST}:{port}", "GOOGLE_CLOUD_PROJECT": PROJECT}
        return Running(self.name, f"{about} on {port}", env, (server,))


def _google(jar: Path, port: int) -> list[str]:
    heap = ["-Xmx256m", "-XX:+UseSerialGC", "-Duser.language=en"]
    return ["java", *heap, "-cp", str(jar), _MAIN, "start", f"--host={HOST}", f"--port={port}"]


def _embedded(port: int) -> list[str]:
    if not _NPM.exists() or shutil.which("node") is None:
        raise ComponentFailed("firestore: neither Google's emulator nor its npm stand-in is here: run `make setup`")
    return ["node", "-e", _NPM_START, str(_NPM), f"{HOST}:{port}"]
