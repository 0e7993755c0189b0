# SPDX-License-Identifier: GPL-2.0-only
"""Smaller cases that still differ."""
import time
from dataclasses import replace

from case import PATIENCE
from pipeline import Flow, Group, Meter, Mod


def shrink(case, steps, seconds):
    """The smallest [(mods, packets)] found in that time."""
    end, case.patience = time.monotonic() + seconds, 3
    refused = starts(case.differs(steps))

    def bad(some):
        lines = case.differs(some) if time.monotonic() < end else []
        return bool(lines) and starts(lines) == refused
    again = refused is not None
    while again and time.monotonic() < end:
        again = False
        for smaller in smaller_steps(steps):
            if time.monotonic() >= end:
                break
            if bad(smaller):
                steps, again = smaller, True
                break
    case.patience = PATIENCE
    return [s for s in steps if s[0] or s[1]]


def starts(lines):
    return lines[0].startswith('refused') if lines else None


def chunks(things):
    """The list without some of it, large parts first."""
    n = len(things)
    while n:
        for at in range(0, len(things), n):
            yield things[:at] + things[at + n:]
        n //= 2


def smaller_steps(steps):
    if len(steps) > 1:
        yield steps[:-1]
        for k in range(len(steps) - 1):  # a step's mods go to the next one
            yield steps[:k] + [(steps[k][0] + steps[k + 1][0], steps[k + 1][1])] + steps[k + 2:]
    for k in reversed(range(len(steps))):
        mods, packets = steps[k]
        for some in chunks(packets):
            yield steps[:k] + [(mods, some)] + steps[k + 1:]
    for k, (mods, packets) in enumerate(steps):
        for some in chunks(mods):
            yield steps[:k] + [(some, packets)] + steps[k + 1:]
    for k, (mods, packets) in enumerate(steps):
        for i, mod in enumerate(mods):
            for thing in smaller_things(mod.thing):
                yield steps[:k] + [(mods[:i] + [Mod(mod.command, thing)] + mods[i + 1:], packets)] + steps[k + 1:]


def without_one(things):
    return [things[:i] + things[i + 1:] for i in range(len(things))]


def smaller_things(thing):
    if isinstance(thing, Flow):
        yield from smaller_flows(thing)
    elif isinstance(thing, Group) and thing.kind != 'indirect':
        yield from (replace(thing, buckets=some) for some in without_one(thing.buckets))
    if isinstance(thing, Group):
        for i, b in enumerate(thing.buckets):
            for acts in without_one(b.actions):
                yield replace(thing, buckets=thing.buckets[:i] + [replace(b, actions=acts)] + thing.buckets[i + 1:])
    elif isinstance(thing, Meter) and len(thing.bands) > 1:
        yield from (replace(thing, bands=some) for some in without_one(thing.bands))


def smaller_flows(f):
    for name in ('apply', 'write'):
        yield from (replace(f, **{name: some}) for some in without_one(getattr(f, name)))
    for name, nothing in (('clear', False), ('metadata', None), ('goto', None), ('meter', None)):
        if getattr(f, name) != nothing:
            yield replace(f, **{name: nothing})
    needed = ('eth_type', 'ip_proto', 'vlan_vid', 'icmpv6_type')
    for k in f.match:
        if k not in needed or len(f.match) == 1:
            yield replace(f, match={x: y for x, y in f.match.items() if x != k})
