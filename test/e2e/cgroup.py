# SPDX-License-Identifier: GPL-2.0-only
"""Switches that may take only so much memory."""
import os

from lib import Skip, Switch, wait_for

MB = 1 << 20


def read(path):
    with open(path) as f:
        return f.read()


class Cgroup:
    """A memory cgroup of so many bytes, of version 2 or 1, whichever this machine has."""
    V2, V1 = '/sys/fs/cgroup/', '/sys/fs/cgroup/memory/'

    def __init__(self, name, limit):
        self.dir = None
        v2 = os.path.exists(self.V2 + 'cgroup.controllers') and 'memory' in read(self.V2 + 'cgroup.controllers')
        if not v2 and not os.path.exists(self.V1 + 'memory.limit_in_bytes'):
            raise Skip('this machine has no memory cgroups')
        try:
            if v2 and 'memory' not in read(self.V2 + 'cgroup.subtree_control'):
                with open(self.V2 + 'cgroup.subtree_control', 'w') as f:
                    f.write('+memory')
            os.mkdir((self.V2 if v2 else self.V1) + name)
        except OSError as e:
            raise Skip('no memory cgroup can be made here: %s' % e)
        self.dir = (self.V2 if v2 else self.V1) + name
        with open(self.dir + ('/memory.max' if v2 else '/memory.limit_in_bytes'), 'w') as f:
            f.write(str(limit))
        self.usage = self.dir + ('/memory.current' if v2 else '/memory.usage_in_bytes')
        self.events = self.dir + ('/memory.events' if v2 else '/memory.oom_control')

    def used(self):
        return int(read(self.usage))

    def kills(self):
        return [int(x.split()[1]) for x in read(self.events).split('\n') if x.startswith('oom_kill ')][0]

    def close(self):
        if self.dir:
            wait_for(lambda: not read(self.dir + '/cgroup.procs'), 10)
            os.rmdir(self.dir)


class Limited(Switch):
    """A switch of which each daemon begins behind these words."""

    def __init__(self, *words, hosts=3, **kw):
        self.words = list(words)
        super().__init__(hosts, **kw)

    def argv(self, *extra):
        return self.words + super().argv(*extra)


class InCgroup(Limited):
    def __init__(self, mb, **kw):
        self.cgroup = Cgroup('oftm%d' % os.getpid(), mb * MB)
        try:
            super().__init__('sh', '-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', self.cgroup.dir, **kw)
        except BaseException:
            self.cgroup.close()
            raise

    def __exit__(self, *args):
        try:
            return super().__exit__(*args)
        finally:
            self.cgroup.close()
