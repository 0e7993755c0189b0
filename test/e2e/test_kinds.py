# SPDX-License-Identifier: GPL-2.0-only
"""A table under traffic, through all kinds that tables are looked up in and back (hash maps, tries, lines): no packet is
missing or goes the wrong way."""
import sys
import time

from lib import SLOW, Client, Sink, Source, Switch, check, equal, eth, pace, run_tests, template, udp, wait_for

EXACT, ROUTES, ACL = 1, 2, 3  # cookies


def exact():
    """Host 2, and others."""
    return ['cookie=%d,priority=1000,ip,nw_dst=10.0.%d.%d,actions=output:%d' % (EXACT, i // 250, i % 250 + 1, 2 if i == 1 else 3)
            for i in range(1500)]


def routes():
    """The longest that has host 2, and shorter and other ones."""
    flows = ['cookie=%d,priority=%d,ip,nw_dst=10.0.0.0/%d,actions=output:%d' % (ROUTES, 100 + n, n, 2 if n == 26 else 3)
             for n in (1, 8, 16, 20, 24, 26)]
    return flows + ['cookie=%d,priority=%d,ip,nw_dst=10.%d.%d.0/%d,actions=output:3' % (ROUTES, 100 + n, n, i, n)
                    for n in (17, 20, 23, 24) for i in range(0, 256, 2)]


def acl():
    """Many masks."""
    flows = ['cookie=%d,priority=9,ip,nw_dst=10.0.0.0/30,actions=output:2' % ACL]
    return flows + ['cookie=%d,priority=%d,tcp,nw_src=10.%d.0.0/%d,tp_dst=%d,actions=output:3' % (ACL, 10 + n, n, n, port)
                    for n in range(9, 29) for port in (80, 443)]


def kinds(s):
    """Where entries of table 0 are looked up, without the numbers of tuples."""
    return {x['kind'].rsplit(' ', 1)[0] for x in s.ctl('tables') if x['table'] == 0 and x['kind'] != 'table'}


def becomes(s, want):
    check(wait_for(lambda: kinds(s) == want, 20 * SLOW), 'table 0 lies in %r; it should be in %r', kinds(s), want)


def to(s, cookie, flows, want):
    """These flows, then only these."""
    s.add(*flows)
    for old in {EXACT, ROUTES, ACL} - {cookie}:
        s.of('del-flows', 'cookie=%d/-1' % old)
    with Client(s.sock) as c:
        c.barrier()
    becomes(s, want)
    time.sleep(0.2)


def through_all(*args):
    with Switch(3, args=args) as s:
        s.flows(*exact())
        becomes(s, {'hash32'})
        sinks = {i: Sink(s.box, i) for i in (2, 3)}
        source = Source(s.box, 1, template(1, 2), '-r', pace(20000), '-d', 60 * SLOW)
        for _ in range(2):
            to(s, ROUTES, routes(), {'lpm4 dst', 'in lpm'})
            to(s, ACL, acl(), {'lines'})
            to(s, ROUTES, routes(), {'lpm4 dst', 'in lpm'})
            to(s, EXACT, exact(), {'hash32'})
        sent = source.stop()['sent']
        time.sleep(0.2 * SLOW)
        came = {i: sink.stop()['unique'] for i, sink in sinks.items()}
        print('# %d packets: %r' % (sent, came))
        equal(came, {2: sent, 3: 0}, 'packets that came; drops %r' % s.some_drops())
        s.of('del-flows')
        becomes(s, set())


def test_through_all_kinds(_):
    """Each packet is looked up in the table."""
    through_all('--no-cache')


def test_through_all_kinds_with_the_flow_cache(_):
    through_all()


def test_default_route_of_what_is_cut(_):
    """A packet whose IP header is cut has no address: of routes in tries only the default one takes it."""
    with Switch(3) as s:
        s.flows('priority=1,ip,actions=output:3', 'priority=2,ip,nw_dst=0.0.0.0/1,actions=output:2',
                'priority=2,ip,nw_dst=128.0.0.0/1,actions=output:2')
        becomes(s, {'lpm4 dst', 'in lpm'})
        whole, cut = udp(1, 2), eth(1, 2, payload=b'E' + bytes(7))
        s.forward([(1, whole), (1, cut)], {2: [whole], 3: [cut]})


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: __import__('contextlib').nullcontext())
