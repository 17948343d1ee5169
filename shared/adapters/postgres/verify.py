"""`python -m shared.adapters.postgres.verify <stream>`: prove that nothing in a stream was changed, added or removed.

With a stream's id it reads the database, prints the stream as JSON lines with `--export`, or says that its chain holds
and what its head is. With a path it checks an exported file, which a third party can do without any database.
"""

import argparse
import base64
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.event_rows import COLUMNS, recorded
from shared.kernel.clock import rfc3339
from shared.kernel.encoding import to_json
from shared.kernel.facts import Recorded, broken_at
from shared.kernel.ids import EventId, MerchantId
from shared.settings import PostgresSettings

_STREAM: Final = Sql(f"select {COLUMNS} from events where stream = :id order by version")


def stream_of(connection: Connection, stream: str) -> list[Recorded]:
    """Return all events of a stream, oldest first."""
    return [recorded(row) for row in connection.run(_STREAM, {"id": stream})]


def exported(event: Recorded) -> str:
    """Return an event as one line of JSON; the body is base64, so that its very bytes can be hashed again."""
    return to_json(
        {
            "stream": event.stream,
            "version": event.version,
            "id": event.id,
            "type": event.type,
            "at": rfc3339(event.at),
            "body": base64.b64encode(event.body).decode(),
            "prev_hash": event.prev_hash.hex(),
            "hash": event.hash.hex(),
        }
    )


class NotAnExport(Exception):
    """The file holds something else than events as `--export` prints them."""


def imported(line: str) -> Recorded:
    """Return an exported line as an event. What the hash does not cover is left empty. Raises NotAnExport."""
    try:
        return _imported(msgspec.json.decode(line, type=dict[str, str | int]))
    except (msgspec.MsgspecError, KeyError, ValueError) as wrong:
        raise NotAnExport(f"this line is no exported event ({type(wrong).__name__}): {line[:80]}") from wrong


def _imported(row: Mapping[str, str | int]) -> Recorded:
    return Recorded(
        id=EventId(str(row["id"])),
        stream=str(row["stream"]),
        version=int(row["version"]),
        type=str(row["type"]),
        body=base64.b64decode(str(row["body"])),
        prev_hash=bytes.fromhex(str(row["prev_hash"])),
        hash=bytes.fromhex(str(row["hash"])),
        merchant_id=MerchantId(""),
        region="",
        actor="",
        correlation="",
        causation=None,
        at=datetime.fromisoformat(str(row["at"])),
    )


def verdict(events: Sequence[Recorded], name: str) -> tuple[str, int]:
    """Return what is to be said of a stream and the exit code: 0 when every link holds."""
    if not events:
        return f"verify: {name} has no events", 1
    broken = broken_at(events)
    if broken is not None:
        return f"verify: {name} is broken at version {broken} of {len(events)}", 1
    return f"verify: {name} holds, {len(events)} events, head {events[-1].hash.hex()}", 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify or export a stream; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="verify", description=__doc__)
    parser.add_argument("stream", help="a stream's id (ord_…), or the path of an exported file")
    parser.add_argument("--export", action="store_true", help="print the stream as JSON lines")
    asked = parser.parse_args(arguments)
    path = Path(asked.stream)
    if path.is_file():
        try:
            events = [imported(line) for line in path.read_text().splitlines() if line]
        except NotAnExport as wrong:
            sys.stdout.write(f"verify: {asked.stream}: {wrong}\n")
            return 1
    else:
        connection = Connection(PostgresSettings.from_env())
        try:
            events = stream_of(connection, asked.stream)
        finally:
            connection.close()
    if asked.export:
        sys.stdout.writelines(exported(event) + "\n" for event in events)
        return 0 if events else 1
    said, code = verdict(events, asked.stream)
    sys.stdout.write(said + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
