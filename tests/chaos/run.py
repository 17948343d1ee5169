"""One run, from the plan to the verdict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emulators.people import Api
from tests.chaos import sabotage, truth
from tests.chaos.ground import Ground, ground
from tests.chaos.oracle import Verdict, judge
from tests.chaos.outages import Outages
from tests.chaos.payers import Payers, Staff
from tests.chaos.plan import Plan, plan
from tests.chaos.quiet import NotQuiet, settle_down
from tests.chaos.refunds import Refunding
from tests.chaos.report import Result

Say = Callable[[str], None]
SAID_EVERY_S: Final = 5.0
LAST_STEPS_S: Final = 90.0
"""As long as steps that began in time may take to end."""


class RanLate(Exception):
    """Customers or miners did not finish what they had begun."""


@dataclass
class Run:
    """What is to be played."""

    seed: int
    play_s: float
    payments: int
    reorgs: int
    outages: int
    sabotage: str = ""
    light: bool = False
    in_memory: bool = False

    def play(self, workdir: Path, say: Say) -> Result:
        """Play it on a platform of its own and return what the oracle says."""
        began = time.monotonic()
        decided = plan(self.seed, play_s=self.play_s, payments=self.payments, reorgs=self.reorgs, outages=self.outages)
        with ground(workdir, decided, in_memory=self.in_memory, light=self.light, say=say) as stage:
            result = Result(self.seed, sabotage=self.sabotage)
            first = {chain: miner.height() + 1 for chain, miner in stage.miners.items()}
            payers, refunding = played(stage, decided, result, say)
            restless = _came_to_rest(stage, refunding, say)
            if self.sabotage:
                connection = stage.connection()
                sabotage.KINDS[self.sabotage][0](connection)
                connection.close()
            say("judging")
            result.verdict = judged(stage, payers, refunding, first)
            result.verdict.broken += restless
        result.seconds = time.monotonic() - began
        return result


def _came_to_rest(stage: Ground, refunding: Refunding, say: Say) -> list[str]:
    """Bring everything to rest; return why it did not, if it did not."""
    try:
        settle_down(stage, say, refunding.ask_the_last)
    except NotQuiet as restless:
        return [f"did not come to rest {restless}"]
    return []


def played(stage: Ground, decided: Plan, result: Result, say: Say) -> tuple[Payers, Refunding]:
    """Play the plan to its end; return the customers, and who was refunded, with all they know."""
    began = time.monotonic()

    def now() -> float:
        return time.monotonic() - began

    payers = Payers(stage, now)
    for paying in decided.payments:
        payers.add(paying)
    staff, outages = Staff(stage, payers), Outages(stage, decided.outages, now, decided.seed)
    refunding = Refunding(stage, payers, decided.seed)
    for miner in stage.miners.values():
        miner.now = now
        miner.start()
    staff.start()
    refunding.start()
    outages.start()
    said_at = 0.0
    try:
        while payers.step() or any(miner.due for miner in stage.miners.values()):
            _all_well(stage, outages)
            if now() > decided.play_s + LAST_STEPS_S:
                raise RanLate(f"{decided.play_s + LAST_STEPS_S:g} s were not enough")
            if now() - said_at > SAID_EVERY_S:
                said_at = now()
                say(_progress(stage, payers, refunding, outages))
            time.sleep(0.05)
    finally:
        outages.stop()
        staff.stop()
        refunding.stop()
        for miner in stage.miners.values():
            miner.stop()
        payers.close()
    say(_progress(stage, payers, refunding, outages))
    _told(result, stage, payers, outages)
    result.refused += refunding.unknown
    return payers, refunding


def _all_well(stage: Ground, outages: Outages) -> None:
    """Raise what has ended a miner or the outages: without them a run proves nothing."""
    for failure in (outages.failure, *(miner.failure for miner in stage.miners.values())):
        if failure is not None:
            raise failure


def judged(stage: Ground, payers: Payers, refunding: Refunding, first: dict[str, int]) -> Verdict:
    """Return what the oracle says of a platform at rest."""
    connection = stage.connection()
    try:
        return judge(connection, truth.read(stage.nodes, first), payers.known, refunding.known, mails(stage))
    finally:
        connection.close()


def mails(stage: Ground) -> dict[str, list[str]]:
    """Return the subjects of every mail that was sent, by address."""
    sent = Api(stage.env["AWS_ENDPOINT_URL"]).get("/moto-api/data.json").get("ses", {}).get("Message", [])
    found: dict[str, list[str]] = {stage.mail_of(number): [] for number in range(len(stage.customers))}
    for mail in sent:
        for address in found:
            if address in str(mail["destinations"]):
                found[address].append(str(mail["subject"]))
    return found


def said(began: float) -> Say:
    """Return what prints a line with the seconds since then."""
    return lambda line: print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)


def _progress(stage: Ground, payers: Payers, refunding: Refunding, outages: Outages) -> str:
    reorgs = sum(len(miner.done) for miner in stage.miners.values())
    away = f", {outages.present}" if outages.present else ""
    paid = f"{payers.paid} payments, {len(refunding.known)} refunds"
    return f"{paid}, {reorgs} reorgs, {outages.done.total()} outages{away}"


def _told(result: Result, stage: Ground, payers: Payers, outages: Outages) -> None:
    done = [reorg for miner in stage.miners.values() for reorg in miner.done]
    result.payments, result.reorgs = payers.paid, len(done)
    result.kinds = dict(sorted(payers.kinds.items()))
    result.reorgs_by = dict(sorted(Counter(f"{each.chain} {each.depth} {each.mode}" for each in done).items()))
    result.outages = dict(sorted(outages.done.items()))
    result.refused = [known.refused for known in payers.known if known.refused]
