# SPDX-License-Identifier: GPL-2.0-only
"""10 000 exact flows, 10 000 routes and 200 rules with 20 masks: each hit by one packet and missed by a near miss."""
import ipaddress
import random
import sys
import time

from lib import OFXDPCTL, SLOW, Sink, Source, Switch, check, equal, pace, run_tests, template, udp

N = 10000
SEED = 20240607
SUFFIX = 'priority=0,actions=drop'


def send_paced(tap, frames):
    """A veth's ring holds 256 frames: let it drain."""
    for i, f in enumerate(frames):
        tap.send(f)
        if i % 64 == 63:
            time.sleep(0.001 * SLOW)


def once_each(sw, hits, misses):
    """Every hit comes out of port 2 once, unchanged; every miss is dropped; each flow counts one packet."""
    tap = sw.tap(2)
    tap.drain()
    got = []
    mixed = hits + misses
    random.Random(SEED).shuffle(mixed)
    for at in range(0, len(mixed), 512):
        send_paced(sw.tap(1), mixed[at:at + 512])
        time.sleep(0.005 * SLOW)
        got += tap.receive(1 << 20, 0)
    got += tap.receive(len(hits) - len(got), 3)
    time.sleep(0.2 * SLOW)
    got += tap.receive(1 << 20, 0)
    equal(len(got), len(hits), 'frames that came out; drops %r' % sw.some_drops())
    equal(sorted(got) == sorted(hits), True, 'the frames that came out are the ones that went in')
    out = sw.of('dump-flows', timeout=60)
    counts = [int(x.split('n_packets=')[1].split(',')[0]) for x in out.split('\n') if 'n_packets=' in x and 'priority=0' not in x]
    equal([c for c in counts if c != 1], [], 'flows that did not count one packet')
    equal(len(counts), len(hits), 'flows')


def test_exact_flows(sw):
    start = time.monotonic()
    flows, hits, misses = [SUFFIX], [], []
    for i in range(N):
        sip, sport = '10.1.%d.%d' % (i >> 8, i & 255), 1024 + i
        flows.append('priority=10,in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_vlan=0xffff,udp,nw_src=%s,nw_dst=10.2.0.1,'
                     'tp_src=%d,tp_dst=53,actions=output:2' % (sip, sport))
        hits.append(udp(1, 2, sport, 53, b'', sip=sip, dip='10.2.0.1'))
        misses.append(udp(1, 2, sport + (1 if i % 2 else -1), 53, b'', sip=sip, dip='10.2.0.1'))
    sw.flows(*flows)
    print('# %d exact flows installed in %.1f s' % (N, time.monotonic() - start))
    once_each(sw, hits, misses)


def routes(rng):
    """Disjoint prefixes of /12 to /32, none beside each other: (network, an address in it, an address just outside)."""
    found, used = [], set()
    while len(found) < N:
        length = rng.choice((16, 20, 22, 24, 24, 24, 24, 26, 28, 30, 32))
        base = rng.randrange(1 << 24, 223 << 24)
        net = ipaddress.ip_network((base >> (32 - length) << (32 - length), length))
        block = int(net.network_address) >> 16
        if block in used or block - 1 in used or block + 1 in used or length < 16:
            continue
        used.add(block)
        first, last = int(net.network_address), int(net.broadcast_address)
        found.append((net, rng.randint(first, last), first - 1 if rng.random() < 0.5 else last + 1))
    return found


def test_many_routes(sw):
    rng = random.Random(SEED)
    table = routes(rng)
    flows = [SUFFIX]
    hits, misses = [], []
    for net, inside, outside in table:
        flows.append('priority=%d,ip,nw_dst=%s,actions=output:2' % (100 + net.prefixlen, net))
        hits.append(udp(1, 2, data=b'', dip=str(ipaddress.ip_address(inside))))
        misses.append(udp(1, 2, data=b'', dip=str(ipaddress.ip_address(outside))))
    start = time.monotonic()
    sw.flows(*flows)
    print('# %d routes installed in %.1f s' % (N, time.monotonic() - start))
    once_each(sw, hits, misses)
    tuples = [x for x in sw.ctl('tables') if x['kind'] != 'table']
    check(len(tuples) <= 12, 'routes of 11 lengths lie in %d tuples', len(tuples))
    print('# ' + sw.box.run(sw.sw, OFXDPCTL, sw.name, 'tables').strip().replace('\n', '\n# '))


def test_nested_routes(sw):
    """The longest prefix wins, whatever the order in which they were added."""
    nets = ['10.0.0.0/8', '10.128.0.0/9', '10.128.0.0/16', '10.128.7.0/24', '10.128.7.9/32', '0.0.0.0/0']
    rng = random.Random(SEED)
    rng.shuffle(nets)
    sw.flows(*['priority=%d,ip,nw_dst=%s,actions=set_field:%d->ip_dscp,output:2' % (
        100 + int(n.split('/')[1]), n, int(n.split('/')[1])) for n in nets])
    for dip, length in (('10.1.1.1', 8), ('10.129.0.1', 9), ('10.128.6.1', 16), ('10.128.7.8', 24), ('10.128.7.9', 32), ('9.1.1.1', 0)):
        sw.forward([(1, udp(1, 2, dip=dip))], {2: [udp(1, 2, dip=dip, tos=length << 2)]}, 0.05)


def test_acl(sw):
    """200 rules, 20 masks.  A rule's packet differs from its near miss in one bit that the rule's mask looks at."""
    rng = random.Random(SEED)
    masks = [(s, d, p) for s, d in ((32, 24), (24, 32), (16, 24), (24, 16), (8, 32), (32, 8), (12, 28), (28, 12), (20, 20), (30, 30))
             for p in (False, True)]
    rules, frames, near = [SUFFIX], [], []
    for i in range(200):
        s, d, port = masks[i % 20]
        src = (i + 1) << 24 | rng.getrandbits(24)
        dst = rng.getrandbits(32) & 0x7fffffff | 0x40000000
        dport = 1000 + i

        def net(addr, n):
            return str(ipaddress.ip_network((addr >> (32 - n) << (32 - n), n)))

        def frame(src, dst, dport):
            return udp(1, 2, 7, dport, b'', sip=str(ipaddress.ip_address(src)), dip=str(ipaddress.ip_address(dst)))
        rules.append('priority=%d,udp,nw_src=%s,nw_dst=%s%s,actions=output:2' % (
            1000 - i, net(src, s), net(dst, d), ',tp_dst=%d' % dport if port else ''))
        frames.append(frame(src, dst, dport))
        near.append(frame(src, dst ^ 1 << (32 - d), dport) if i % 3 else frame(src ^ 1 << (32 - s), dst, dport) if s > 8
                    else frame(src, dst ^ 1 << 31 - rng.randrange(d), dport))
    equal(len(set(masks)), 20, 'masks')
    sw.flows(*rules)
    once_each(sw, frames, near)


def test_overlapping_rules(sw):
    """The rule of highest priority wins across masks: compared with a plain search, 40 rules of 12 masks, 600 packets."""
    rng = random.Random(SEED)
    rules, flows = [], []
    for i in range(40):
        r = {'prio': 10 + i, 'src': rng.choice((0, 24, 30, 32)), 'dst': rng.choice((0, 24, 31)), 'port': rng.choice((None, 53, 54))}
        r['s'], r['d'] = 0x0a000000 | rng.randrange(8), 0x0a000100 | rng.randrange(4)
        rules.append(r)
        text = ['priority=%d,udp' % r['prio']]
        for key, at in (('src', 's'), ('dst', 'd')):
            if r[key]:
                text.append('nw_%s=%s' % (key, ipaddress.ip_network((r[at] >> 32 - r[key] << 32 - r[key], r[key]))))
        if r['port']:
            text.append('tp_dst=%d' % r['port'])
        flows.append(','.join(text) + ',actions=set_field:%d->ip_dscp,output:2' % i)
    rng.shuffle(flows)
    sw.flows(*flows)
    sends, want = [], []
    for _ in range(600):
        s, d, p = 0x0a000000 | rng.randrange(8), 0x0a000100 | rng.randrange(4), rng.choice((53, 54, 55))
        hit = [r for r in rules if (not r['src'] or (s ^ r['s']) >> 32 - r['src'] == 0)
               and (not r['dst'] or (d ^ r['d']) >> 32 - r['dst'] == 0) and r['port'] in (None, p)]
        a = {'sip': str(ipaddress.ip_address(s)), 'dip': str(ipaddress.ip_address(d))}
        sends.append(udp(1, 2, 7, p, b'', **a))
        if hit:
            want.append(udp(1, 2, 7, p, b'', tos=rules.index(max(hit, key=lambda r: r['prio'])) << 2, **a))
    tap = sw.tap(2)
    tap.drain()
    send_paced(sw.tap(1), sends)
    got = tap.receive(len(want), 3)
    bad = [i for i, (g, w) in enumerate(zip(got, want)) if g != w]
    check(len(got) == len(want) and not bad, '%d frames of %d; wrong: %r', len(got), len(want), bad[:5])


def test_growth_under_traffic(sw):
    """The maps grow by several chunks, the traffic's own flow moves on through them: no packet is lost."""
    sw.flows('table=0,in_port=1,actions=goto_table:1', 'table=1,in_port=1,ip,actions=output:2')
    sink = Sink(sw.box, 2)
    source = Source(sw.box, 1, template(1, 2), '-r', pace(50000), '-d', 60 * SLOW)
    moved = 'dec_ttl,' * 10 + 'output:2'  # ops behind those in the flow itself
    for part in range(5):
        sw.add(*['table=1,dl_dst=02:00:00:00:%02x:%02x,dl_vlan=%d,actions=output:3' % (i >> 8, i & 255, 1 + part) for i in range(8000)])
        sw.add('table=1,in_port=1,ip,actions=' + (moved if part % 2 else 'output:2'))
    sent = source.stop()
    time.sleep(0.2 * SLOW)
    seen = sink.stop()
    print('# %d packets, %d came' % (sent['sent'], seen['unique']))
    check(sent['sent'] > pace(10000), 'only %d packets', sent['sent'])
    equal(seen['unique'], sent['sent'], 'packets that came')
    equal(len(sw.dump()), 40002, 'flows')


def test_table_full(sw):
    with Switch(1, ['--max-flows', '100']) as small:
        out = small.of('add-flows', '-', input=''.join('in_port=%d,actions=output:1\n' % (1 + i) for i in range(150)), check=False)
        check('OFPFMFC_TABLE_FULL' in out, 'no TABLE_FULL: %s', out[-500:])
        n = len(small.dump())
        check(n == 100, '%d flows in a table for 100', n)
        check('(all --max-flows are there)' in small.tail(60), 'the log does not say which bound: %s', small.tail(3))
        small.of('del-flows')
        small.add('in_port=1,actions=output:1')
        equal(len(small.dump()), 1, 'flows')


def test_full_of_probes(sw):
    with Switch(1, ['--max-probes', '4']) as small:
        flows = ['priority=%d,%s,actions=output:1' % (i, match) for i, match in enumerate(
            ('in_port=1', 'dl_vlan=5', 'dl_src=02:00:00:00:00:01', 'dl_dst=02:00:00:00:00:01', 'metadata=1', 'ipv6,ipv6_label=1'))]
        out = small.of('add-flows', '-', input='\n'.join(flows) + '\n', check=False)
        check('OFPFMFC_TABLE_FULL' in out, 'no TABLE_FULL: %s', out[-500:])
        check('--max-probes)' in small.tail(10), 'the log does not say which bound: %s', small.tail(3))


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
