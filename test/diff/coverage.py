# SPDX-License-Identifier: GPL-2.0-only
"""What a run has met: fields, actions, groups, meters, depth, ends of packets; what was compared with the oracle only."""
from collections import Counter

from deviations import EXCLUDED
from frame import FIELDS
from pipeline import TYPES

# What a long run ought to have met; the rest of the fields is never in a rule on purpose.
ALL_ACTIONS = {'output', 'group all', 'group select', 'group indirect', 'group ff', 'group ff with dead buckets',
               'group select with dead buckets', 'meter, no band exceeded', 'meter that drops', 'meter that remarks'} | set(TYPES) | {
               'set ' + f.name for f in FIELDS.values() if f.settable}


class Coverage:
    def __init__(self):
        self.packets, self.undefined, self.mods = Counter(), 0, Counter()
        self.fields, self.actions, self.depth, self.excluded, self.refused = Counter(), Counter(), Counter(), Counter(), Counter()
        self.group_depth = Counter()

    def packet(self, r):
        c = self.packets
        c['all'] += 1
        c['hit'] += any(not f.is_table_miss() for f in r.hits)
        c['forwarded'] += bool(r.outputs)
        c['punted'] += bool(r.packet_ins)
        c['dropped'] += not r.outputs and not r.packet_ins
        self.depth[len(r.hits)] += 1
        self.group_depth[r.depth] += 1
        self.actions.update(r.actions)
        for f in r.hits:
            self.fields.update(n + ('/mask' if m is not None else '') for n, (_, m) in f.match.items())
        for note in r.notes & EXCLUDED.keys():
            self.excluded[note] += 1

    def show(self):
        c, n = self.packets, self.packets['all'] or 1
        line = lambda what, counter: print('# %s: %s' % (what, ', '.join('%s %d' % x for x in sorted(counter.items()))))  # noqa: E731
        print('# result: %d packets; hit a rule that is no table-miss %d %%, forwarded %d %%, punted %d %%, dropped %d %%' % (
            c['all'], *(100 * c[x] // n for x in ('hit', 'forwarded', 'punted', 'dropped'))))
        line('messages', self.mods)
        line('tables walked', self.depth)
        line('depth of groups', self.group_depth)
        line('fields of the rules hit', self.fields)
        line('actions run', self.actions)
        missed = [n for n in FIELDS if n not in self.fields and n + '/mask' not in self.fields] + sorted(ALL_ACTIONS - self.actions.keys())
        print('# not met: %s' % (', '.join(missed) or 'nothing'))
        print('# not compared: %d packets: a change behind five tags, or one that is not possible behind an output' % self.undefined)
        for note, count in sorted(self.excluded.items()):
            print('# not compared with OVS: %d packets: %s (%s)' % (count, note, EXCLUDED[note]))
        for what, count in sorted(self.refused.items()):
            print('# refused by OVS only: %d messages: %s' % (count, what))
