# SPDX-License-Identifier: GPL-2.0-only
"""Let system calls of ofxdpd fail, one at a time, by strace's fault injection."""
import os
import re
import shutil

from lib import Skip, equal

FAULTS = int(os.environ.get('FAULTS', '2'))  # of each kind of system call so many
CALLS = [('bpf', 'ENOMEM'), ('sendto', 'ENOBUFS'), ('recvmsg', 'ENOMEM'), ('socket', 'EMFILE'), ('setsockopt', 'ENOMEM'),
         ('bind', 'ENOMEM'), ('mmap', 'ENOMEM'), ('openat', 'EMFILE'), ('dup3', 'EMFILE'), ('ioctl', 'ENOMEM'), ('mkdir', 'ENOSPC'),
         ('symlink', 'ENOSPC'), ('rename', 'ENOSPC'), ('clone3', 'EAGAIN'), ('epoll_ctl', 'ENOSPC')]


def strace(*args):
    """What is traced stays the process that was started."""
    if not shutil.which('strace'):
        raise Skip('no strace here')
    return ['strace', '-D', '-f', '-qq', *args]


def fault(call, error, when):
    return strace('-o', '/dev/null', '-e', 'trace=' + call, '-e', 'inject=%s:error=%s:when=%d' % (call, error, when))


def recorder(path):
    return strace('-o', path, '-e', 'trace=prlimit64,' + ','.join(c for c, _ in CALLS))


def recorded(path):
    """{system call: range of those that the first thread made}, without the loader's, before main() raises its limits."""
    with open(path) as f:
        text = f.read()
    pid = re.match(r'(\d+) ', text)[1]
    loader, made = [re.findall(r'^%s +(\w+)\(' % pid, x, re.M) for x in text.split('RLIMIT_NOFILE, NULL', 1)]
    return {c: range(loader.count(c) + 1, loader.count(c) + made.count(c) + 1) for c, _ in CALLS}


def each(made):
    """Prefixes for a program's arguments: another call fails in each."""
    for call, error in CALLS:
        for when in made[call][::max(1, len(made[call]) // FAULTS)]:
            yield fault(call, error, when)
