"""A disk that breaks while a command uses it: calls for its files answer EIO.

Linux hands chosen system calls of a process, and of all that it starts, to a listener
that lets them go on or answers in the kernel's place (seccomp_unotify(2), since 5.5).
It needs neither root nor a disk of its own. Numbers of calls are those of x86-64.
"""

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import threading
import time
from pathlib import Path

# What breaks: number of each call → which argument is a descriptor, which a path
CALLS: dict[str, dict[int, tuple[int | None, int | None]]] = {
    "reading": {0: (0, None), 17: (0, None), 19: (0, None)},
    "writing": {1: (0, None), 18: (0, None), 20: (0, None), 40: (0, None)},
    "keeping": {74: (0, None), 75: (0, None), 77: (0, None), 285: (0, None)},
    "opening": {2: (None, 0), 257: (0, 1)},
    "listing": {217: (0, None)},
    "looking": {4: (None, 0), 6: (None, 0), 262: (0, 1), 332: (0, 1)},
    "renaming": {82: (None, 0), 264: (0, 1), 316: (0, 1)},
    "folders": {83: (None, 0), 258: (0, 1), 84: (None, 0)},
    "removing": {87: (None, 0), 263: (0, 1)},
}
X86_64 = 0xC000003E  # as the kernel tells a call's architecture
ALLOW, ASK = 0x7FFF0000, 0x7FC00000  # what a filter answers
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # what a filter does
SECCOMP = 317  # the system call
GO_ON = 1  # flag of an answer
NEXT, ANSWER = 0xC0502100, 0xC0182101  # what is asked of the listener
CALL = struct.Struct("QIIiIQ6Q")  # id, thread, flags, number, architecture, …
HERE = -100 & 0xFFFFFFFF  # as a descriptor: the working directory


def can_break() -> bool:
    """Whether this system hands calls to a listener."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    sizes = ctypes.create_string_buffer(6)
    return ctypes.CDLL(None).syscall(SECCOMP, 3, 0, sizes) == 0


class BrokenDisk:
    """Lets calls for what lies below a folder fail, from a moment on.

    Args:
        folder: what lies on the disk.
        what: one of CALLS.
        after: seconds until it breaks.
        times: calls that fail, None for all.
    """

    def __init__(self, folder: Path, what: str, after: float, times: int | None):
        self.folder, self.calls, self.times = str(folder), CALLS[what], times
        self.moment = time.monotonic() + after
        self.ours, self.theirs = socket.socketpair()

    def install(self) -> None:
        """Give the listener away; called in the process whose calls are to fail."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS, else it takes root
        lines = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, X86_64), (RETURN, 0, 0, ALLOW)]
        lines.append((LOAD, 0, 0, 0))
        for k, number in enumerate(self.calls):
            lines.append((EQUAL, len(self.calls) - k, 0, number))
        lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ASK)]
        code = b"".join(struct.pack("HBBI", *line) for line in lines)
        program = struct.pack("HxxxxxxP", len(lines), _address(code))
        listener = libc.syscall(SECCOMP, 1, 8, program)
        if listener < 0:
            raise OSError(ctypes.get_errno(), "no filter for system calls")
        socket.send_fds(self.theirs, [b"!"], [listener])

    def watch(self) -> None:
        """Answer until the last of the processes has ended, in a thread."""
        self.theirs.close()
        _, [listener], _, _ = socket.recv_fds(self.ours, 1, 1)
        self.ours.close()
        threading.Thread(target=self._answer, args=[listener], daemon=True).start()

    def _answer(self, listener: int) -> None:
        waiting = select.poll()
        waiting.register(listener, select.POLLIN)
        while not any(event & select.POLLHUP for _, event in waiting.poll()):
            call = bytearray(CALL.size)
            try:
                fcntl.ioctl(listener, NEXT, call)
                identity, thread, _, number, *_, a, b, c, d, e, f = CALL.unpack(call)
                fails = self._fails(thread, number, (a, b, c, d, e, f))
                value = (-errno.EIO, 0) if fails else (0, GO_ON)
                answer = struct.pack("QqiI", identity, 0, *value)
                fcntl.ioctl(listener, ANSWER, answer)
            except OSError:
                pass  # it was killed while it waited
        os.close(listener)

    def _fails(self, thread: int, number: int, arguments: tuple[int, ...]) -> bool:
        if time.monotonic() < self.moment or self.times == 0:
            return False
        try:
            path = _path(thread, arguments, *self.calls[number])
        except OSError:  # no such descriptor or address, as the call itself will say
            return False
        if path != self.folder and not path.startswith(f"{self.folder}/"):
            return False
        if self.times is not None:
            self.times -= 1
        return True


def _address(code: bytes) -> int:
    """Where bytes lie, which must be kept while that is used."""
    return ctypes.cast(ctypes.c_char_p(code), ctypes.c_void_p).value or 0


def _path(
    thread: int, arguments: tuple[int, ...], descriptor: int | None, path: int | None
) -> str:
    """The file that a call is about."""
    name = _text(thread, arguments[path]) if path is not None else ""
    if name.startswith("/"):
        return name
    place = HERE if descriptor is None else arguments[descriptor] & 0xFFFFFFFF
    link = "cwd" if place == HERE else f"fd/{place}"
    return os.path.join(os.readlink(f"/proc/{thread}/{link}"), name).rstrip("/")


def _text(thread: int, address: int) -> str:
    """What a process holds at an address, up to the first zero."""
    found = b""
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        while b"\0" not in found:
            memory.seek(address + len(found))
            found += memory.read(4096 - (address + len(found)) % 4096)
    return os.fsdecode(found.partition(b"\0")[0])
