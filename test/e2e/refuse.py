# SPDX-License-Identifier: GPL-2.0-only
"""Runs a program on a kernel that refuses some system calls, by seccomp:

    refuse.py ERRNO CALL[:NUMBER:VALUE] ... -- PROGRAM ARGUMENT ...

refuses CALL, or only that whose argument NUMBER (from 0) is VALUE.
"""
import ctypes
import errno
import os
import platform
import struct
import sys

CALLS = {'x86_64': {'bpf': 321, 'ioctl': 16, 'socket': 41, 'prlimit64': 302, 'mlock': 149, 'setsockopt': 54, 'getrandom': 318},
         'aarch64': {'bpf': 280, 'ioctl': 29, 'socket': 198, 'prlimit64': 261, 'mlock': 228, 'setsockopt': 208, 'getrandom': 278}}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7fff0000, 0x00050000


def statement(code, k, true=0, false=0):
    return struct.pack('=HBBI', code, true, false, k)


def rules(error, calls):
    for call in calls:
        name, _, rest = call.partition(':')
        yield statement(LOAD, 0)
        if not rest:
            yield statement(EQUAL, CALLS[platform.machine()][name], 0, 1)
        else:
            number, value = (int(x, 0) for x in rest.split(':'))
            yield statement(EQUAL, CALLS[platform.machine()][name], 0, 3)
            yield statement(LOAD, 16 + 8 * number)
            yield statement(EQUAL, value, 0, 1)
        yield statement(RETURN, REFUSE | error)
    yield statement(RETURN, ALLOW)


def main():
    at = sys.argv.index('--')
    program = b''.join(rules(getattr(errno, sys.argv[1]), sys.argv[2:at]))
    buf = ctypes.create_string_buffer(program, len(program))
    prog = struct.pack('@HP', len(program) // 8, ctypes.addressof(buf))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, prog, 0, 0):
        sys.exit('refuse.py: ' + os.strerror(ctypes.get_errno()))
    os.execvp(sys.argv[at + 1], sys.argv[at + 1:])


main()
