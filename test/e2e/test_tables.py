# SPDX-License-Identifier: GPL-2.0-only
"""Tables of awkward shapes: keys in a grid, one match with many priorities, nearly full; and what ofxdpctl says of them."""
import sys

from lib import Client, Switch, check, equal, run_tests, udp, wait_for
from openflow import ETH_TYPE, IP_PROTO, IPV4_DST, TCP_DST, UDP_DST, apply_actions, flow_mod, match, output, oxm

MODIFY, DELETE, DELETE_STRICT = 1, 3, 4
U = udp(1, 2)


def send(c, messages):
    """All of them, then a barrier; what was refused, as (type, code)."""
    before = len(c.queue)
    for at in range(0, len(messages), 10_000):
        c.sock.sendall(b''.join(messages[at:at + 10_000]))
        c.barrier()
    return [m[2][:4] for m in c.queue[before:] if m[0] == c.ERROR]


def to(port):
    return apply_actions(output(port))


def service(host, port):
    """A flow entry for TCP to 10.0.0.HOST:PORT."""
    fields = oxm(ETH_TYPE, 0x0800), oxm(IP_PROTO, 6), oxm(IPV4_DST, 0x0a000000 + host), oxm(TCP_DST, port)
    return flow_mod(0, 100, match(*fields), to(2))


def address(i):
    return match(oxm(ETH_TYPE, 0x0800), oxm(IPV4_DST, 0x0a000000 + i))


def table(sw, number=0):
    """(the row of the table, the rows of its tuples in use) of `ofxdpctl tables`."""
    rows = [x for x in sw.ctl('tables') if x['table'] == number]
    return next(x for x in rows if x['kind'] == 'table'), [x for x in rows if x['kind'] != 'table' and x['entries']]


def test_grid(sw):
    """90 hosts times 256 ports: addresses and ports that differ in their last byte only."""
    sw.of('del-flows')
    with Client(sw.sock, timeout=30) as c:
        equal(send(c, [service(h, 8192 + p) for h in range(90) for p in range(256)]), [], 'refused')
    row, tuples = table(sw)
    equal((row['entries'], len(tuples)), (90 * 256, 1), 'entries, tuples')
    check(row['longest'] <= 5, 'a packet may be compared with %d rules', row['longest'])


def test_equal_matches(sw):
    """Of entries with one match all count, and a packet is compared with the best only."""
    sw.flows(*['priority=%d,udp,actions=output:2' % p for p in (3, 1, 2)])
    row, tuples = table(sw)
    equal((row['entries'], row['longest'], len(tuples)), (3, 1, 1), 'entries, longest, tuples')
    sw.of('--strict del-flows', 'priority=2,udp')
    equal(table(sw)[0]['entries'], 2, 'entries after one was deleted')


def test_many_priorities(sw):
    """40 000 entries of one match: the best one left is what counts, whichever are deleted."""
    n, one = 40_000, match(oxm(ETH_TYPE, 0x0800), oxm(IP_PROTO, 17), oxm(UDP_DST, 2000))
    sw.of('del-flows')
    with Client(sw.sock, timeout=30) as c:
        equal(send(c, [flow_mod(0, p, one, to(2 if p < n - 1 else 3)) for p in range(n)]), [], 'refused')
        sw.forward([(1, U)], {3: [U]})
        equal(send(c, [flow_mod(0, n - 1, one, b'', DELETE_STRICT)]), [], 'strict delete of the best')
        sw.forward([(1, U)], {2: [U]})
        equal(send(c, [flow_mod(0, p, one, b'', DELETE_STRICT) for p in range(1, n - 1)]), [], 'strict deletes')
        equal(len(sw.dump()), 1, 'entries that are left')
        sw.forward([(1, U)], {2: [U]})
        equal(send(c, [flow_mod(0, p, one, to(3)) for p in range(1, n)] + [flow_mod(0, 0, one, b'', DELETE)]), [], 'delete of all')
        equal(sw.dump(), [], 'entries')
        sw.forward([(1, U)], {})


def test_modify_of_nearly_all(_):
    """A MODIFY needs no room for a second copy of what is there."""
    n = 1000
    with Switch(3, ['--max-flows', str(n)]) as sw, Client(sw.sock, timeout=30) as c:
        equal(send(c, [flow_mod(0, 100, address(i), to(2)) for i in range(n)]), [], 'refused')
        frames = [udp(1, 2, dip='10.0.%d.%d' % (i >> 8, i & 255)) for i in (0, 1, n - 1)]
        for port in (3, 2, 3):
            equal(send(c, [flow_mod(0, 0, match(), to(port), MODIFY)]), [], 'MODIFY of all to port %d' % port)
            sw.forward([(1, f) for f in frames], {port: frames})
        equal(send(c, [flow_mod(0, 100, address(n), to(2))]), [b'\0\5\0\1'], 'one entry too many: TABLE_FULL')
        equal(send(c, [flow_mod(0, 100, address(0), to(2))]), [], 'an entry that is there, in place of itself')
        sw.forward([(1, frames[0])], {2: frames[:1]})


def test_overlap_with_itself(sw):
    """CHECK_OVERLAP asks for others: an entry of the same match and priority is replaced (OpenFlow 1.4, §6.4)."""
    sw.flows('priority=5,udp,actions=output:3')
    sw.of('add-flow', 'check_overlap,priority=5,udp,actions=output:2')
    sw.forward([(1, U)], {2: [U]})
    equal(len(sw.dump()), 1, 'entries')
    sw.flows('priority=5,udp,actions=output:3', 'priority=5,in_port=1,actions=output:3')
    out = sw.of('add-flow', 'check_overlap,priority=5,udp,actions=output:2', check=False)
    check('OFPFMFC_OVERLAP' in out, 'with another one that overlaps: %s', out)
    sw.forward([(1, U)], {3: [U]})


def test_room_comes_back(_):
    """As many as a table holds are deleted and added again, at once: what a deletion leaves is waited for."""
    n = 20_000
    with Switch(2, ['--max-flows', str(n)]) as sw, Client(sw.sock, timeout=30) as c:
        for i in range(5):
            equal(send(c, [flow_mod(0, 0, match(), b'', DELETE)] + [flow_mod(0, 100, address(k), to(2)) for k in range(n)]), [],
                  'refused in round %d' % i)
        check(wait_for(lambda: table(sw)[0]['entries'] == n), 'entries: %r', table(sw)[0])


if __name__ == '__main__':
    run_tests(sys.modules[__name__], lambda: Switch(3))
