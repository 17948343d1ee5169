"""Run one server for as long as the launcher lives, then end it with everything it started.

`python keeper.py STOP_SIGNAL GRACE_S USER -- COMMAND…`, with file descriptors
0: a pipe whose other end the launcher holds: end of file means the launcher is gone or wants a stop;
1: a pipe on which the server's process id is written, one line;
2: the server's log.

A process of its own because the alternatives leak: a parent-death signal fires when the *thread* that
started the child ends, and an exit hook does not run on `kill -9`. Only `os`-level modules are imported,
so that a keeper starts in a few milliseconds.
"""

import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _become(user: str, command: list[str]) -> None:
    """Turn this freshly forked process into the server, as `user` when one is given."""
    os.setsid()  # a group of its own: one signal reaches the server's own children too
    if user != "-":
        import pwd

        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if sys.platform == "linux":  # after setuid, which clears it; covers a keeper killed with -9
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as failure:
        os.write(2, f"can't run {command[0]}: {failure.strerror}\n".encode())
        os._exit(127)


def _signal_group(server: int, number: int) -> None:
    try:
        os.killpg(server, number)
    except ProcessLookupError:
        return  # everyone in the group has ended already, which is what was wanted


def _reaped(server: int) -> int | None:
    """Return the server's exit code, or None while it runs."""
    pid, status = os.waitpid(server, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def _wait(server: int, wakeup: int) -> int | None:
    """Return the server's exit code once it ends, or None once the launcher lets go."""
    while True:
        code = _reaped(server)
        if code is not None:
            return code
        readable, _, _ = select.select([0, wakeup], [], [])
        if wakeup in readable:
            os.read(wakeup, 64)
        if 0 in readable and not os.read(0, 64):
            return None


def _end(server: int, stop_signal: int, grace_s: float) -> int:
    """Ask the server to stop; after `grace_s` seconds make it. Return its exit code."""
    _signal_group(server, stop_signal)
    deadline = time.monotonic() + grace_s
    while (code := _reaped(server)) is None:
        if time.monotonic() >= deadline:
            _signal_group(server, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(0.005)
    return code


def _sweep() -> None:
    """End what the server left behind: as subreaper, this process inherits every orphan of the server's."""
    children = f"/proc/self/task/{os.getpid()}/children"
    while os.path.exists(children):
        with open(children) as listed:
            orphans = listed.read().split()
        if not orphans:
            return
        for orphan in orphans:
            os.kill(int(orphan), signal.SIGKILL)  # a child that we have not waited for can't be gone
            os.waitpid(int(orphan), 0)


def main() -> int:
    stop_signal, grace_s, user, _, *command = sys.argv[1:]
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write_end)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    server = os.fork()
    if server == 0:
        _become(user, command)
    os.write(1, f"{server}\n".encode())
    code = _wait(server, read_end)
    if code is None:
        code = _end(server, int(stop_signal), float(grace_s))
    _signal_group(server, signal.SIGKILL)
    _sweep()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
