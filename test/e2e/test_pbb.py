# SPDX-License-Identifier: GPL-2.0-only
"""PBB (MAC-in-MAC) through the whole switch.  ovs-ofctl has no words for it: os-ken makes the messages."""
import struct
import sys

from lib import Client, Switch, check, equal, eth, run_tests, udp
from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

DP = ProtocolDesc(version=ofp.OFP_VERSION)
U = udp(1, 2)
TAG = (0x8100, 3 << 13 | 5)
BTAG = (0x88a8, 6 << 13 | 9)
PUSH, POP, POP_VLAN = parser.OFPActionPushPbb(0x88e7), parser.OFPActionPopPbb(), parser.OFPActionPopVlan()


def pbb(frame, isid=0, pcp=0, tags=(), src=1, dst=2):
    return eth(src, dst, tags, 0x88e7, struct.pack('>I', pcp << 29 | isid) + frame)


def out(port):
    return parser.OFPActionOutput(port)


def put(**field):
    return parser.OFPActionSetField(**field)


def flow(match, actions=(), write=(), table=0, goto=None, priority=1):
    inst = []
    if actions:
        inst.append(parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, list(actions)))
    if write:
        inst.append(parser.OFPInstructionActions(ofp.OFPIT_WRITE_ACTIONS, list(write)))
    if goto is not None:
        inst.append(parser.OFPInstructionGotoTable(goto))
    return parser.OFPFlowMod(DP, table_id=table, priority=priority, match=parser.OFPMatch(**match), instructions=inst)


def body(msg):
    msg.set_xid(0)
    msg.serialize()
    return bytes(msg.buf[8:])


def install(sw, *flows):
    """All flows deleted, these added.  The first error as (type, code), or None."""
    sw.of('del-flows')
    with Client(sw.sock) as c:
        for f in flows:
            c.send(c.FLOW_MOD, body(f))
        c.barrier()
        errors = [struct.unpack('>HH', m[2][:4]) for m in c.queue if m[0] == c.ERROR]
    return errors[0] if errors else None


def case(sw, flows, frame, want):
    equal(install(sw, *flows), None, 'error')
    sw.forward([(1, frame)], want)


GROUP_MOD = 15
IPV4, PBB = {'eth_type': 0x800}, {'eth_type': 0x88e7}


def test_push(sw):
    case(sw, [flow(IPV4, [PUSH, out(2), put(pbb_isid=0x123456), put(eth_dst='02:00:00:00:00:77'), out(3)])], U,
         {2: [pbb(U)], 3: [pbb(U, 0x123456, dst='02:00:00:00:00:77')]})
    tagged = udp(1, 2, tags=[TAG])
    case(sw, [flow({}, [PUSH, out(2)])], tagged, {2: [pbb(tagged, 0, 3)]})


def test_push_onto_an_itag(sw):
    inner = pbb(U, 0xabcdef, tags=[BTAG])
    case(sw, [flow(PBB, [PUSH, out(2)])], inner, {2: [pbb(inner, 0xabcdef, 6)]})


def test_pop_and_change(sw):
    tagged = udp(1, 2, tags=[BTAG, TAG])
    case(sw, [flow(dict(PBB, pbb_isid=7), [POP, out(2), POP_VLAN, POP_VLAN, out(3)])], pbb(tagged, 7, src=3, dst=3), {2: [tagged], 3: [U]})
    case(sw, [flow(dict(PBB, vlan_vid=0x1009), [POP_VLAN, POP, out(2)])], pbb(U, 7, tags=[BTAG]), {2: [U]})


def test_a_btag_stays(sw):
    case(sw, [flow(dict(PBB, vlan_vid=0x1009), [POP, out(2)])], pbb(U, 7, tags=[BTAG], src=3, dst=3), {2: [udp(1, 2, tags=[BTAG])]})
    case(sw, [flow(IPV4, [PUSH, parser.OFPActionPushVlan(0x88a8), put(vlan_vid=0x1009), put(vlan_pcp=6), out(2)])], U,
         {2: [pbb(U, 0, tags=[BTAG])]})


def test_later_tables_see_the_customer(sw):
    dec = parser.OFPActionDecNwTtl()
    equal(install(sw, flow(PBB, [POP], goto=1), flow(dict(IPV4, ip_proto=17, udp_dst=2000), [dec, out(2)], table=1, priority=2),
                  flow({}, [out(3)], table=1)), None, 'error')
    sw.forward([(1, pbb(U, 9))], {2: [udp(1, 2, ttl=63)]})
    other = udp(1, 2, dport=2001)
    sw.forward([(1, pbb(other))], {3: [other]})
    case(sw, [flow(IPV4, [PUSH, put(pbb_isid=5)], goto=1), flow(dict(PBB, pbb_isid=5), [out(2)], table=1)], U, {2: [pbb(U, 5)]})


def test_matches(sw):
    equal(install(sw, flow(dict(PBB, pbb_isid=0x123456), [out(2)], priority=2), flow(dict(PBB, pbb_isid=(0x120000, 0xff0000)), [out(3)])),
          None, 'error')
    for isid, port in ((0x123456, 2), (0x123457, 3)):
        for tags in ((), [BTAG]):
            sw.forward([(1, pbb(U, isid, 5, tags))], {port: [pbb(U, isid, 5, tags)]})
    before = sw.drops()['no_match']
    sw.forward([(1, pbb(U, 0x133456)), (1, eth(1, 2, (), 0x88e8, pbb(U, 0x123456)[14:])), (1, pbb(U, 0x123456)[:31]), (1, U)], {})
    equal(sw.drops()['no_match'] - before, 4, 'counted drops')


def test_action_set(sw):
    """5.10, whatever the order written: pop, push PBB, push VLAN, set."""
    write = [put(pbb_isid=8), put(vlan_vid=0x1009), put(vlan_pcp=6), parser.OFPActionPushVlan(0x88a8), PUSH, POP, out(2)]
    case(sw, [flow(PBB, write=write)], pbb(U, 7), {2: [pbb(U, 8, tags=[BTAG])]})


def test_group_behind_a_new_type(sw):
    """The set's fields come before its group: buckets meet what is no I-TAG any more."""
    with Client(sw.sock) as c:
        bucket = parser.OFPBucket(watch_port=ofp.OFPP_ANY, watch_group=ofp.OFPG_ANY, actions=[PUSH, out(2)])
        c.send(GROUP_MOD, body(parser.OFPGroupMod(DP, ofp.OFPGC_ADD, ofp.OFPGT_ALL, 1, [bucket])))
        c.barrier()
    frame = pbb(U, 7)
    other = frame[:12] + b'\x88\xb5' + frame[14:]
    case(sw, [flow(PBB, write=[parser.OFPActionGroup(1), put(eth_type=0x88b5)])], frame, {2: [pbb(other)]})
    sw.of('del-groups')


def test_wrong_flows(sw):
    inconsistent = (ofp.OFPET_BAD_ACTION, ofp.OFPBAC_MATCH_INCONSISTENT)
    for match, actions in ((IPV4, [POP]), ({}, [POP]), (IPV4, [put(pbb_isid=1)]), (PBB, [POP, put(pbb_isid=1)]),
                           (IPV4, [PUSH, parser.OFPActionDecNwTtl()])):
        equal(install(sw, flow(match, actions + [out(2)])), inconsistent, 'error')
    equal(install(sw, flow({}, [parser.OFPActionPushPbb(0x8100)])), (ofp.OFPET_BAD_ACTION, ofp.OFPBAC_BAD_ARGUMENT), 'error')
    bad = body(flow(dict(PBB, pbb_isid=1), [out(2)])).replace(b'\x88\xe7', b'\x08\x00', 1)
    with Client(sw.sock) as c:
        kind, _, error = c.ask(c.FLOW_MOD, bad)
    equal((kind, *struct.unpack('>HH', error[:4])), (Client.ERROR, ofp.OFPET_BAD_MATCH, ofp.OFPBMC_BAD_PREREQ), 'answer')
    equal(sw.dump(), [], 'flows')


def test_too_long(sw):
    """18 bytes more than the port takes: a counted drop."""
    large = udp(1, 2, data=bytes(1472))
    before = sw.drops()['output_mtu']
    case(sw, [flow({}, [PUSH, out(2), POP, out(3)])], large, {3: [large]})
    equal(sw.drops()['output_mtu'] - before, 1, 'counted drops')


def test_dump(sw):
    """What was sent comes back."""
    install(sw, flow(dict(PBB, pbb_isid=(0x120000, 0xff0000)), [POP, PUSH, put(pbb_isid=5), out(2)]))
    request = parser.OFPFlowStatsRequest(DP, 0, ofp.OFPTT_ALL, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0, parser.OFPMatch())
    with Client(sw.sock) as c:
        kind, _, data = c.ask(18, body(request))
    check(kind == 19, 'answered with type %d', kind)
    stats = parser.OFPFlowStats.parser(data, 8)
    equal(stats.match['pbb_isid'], (0x120000, 0xff0000), 'match')
    equal([type(a).__name__ for a in stats.instructions[0].actions],
          ['OFPActionPopPbb', 'OFPActionPushPbb', 'OFPActionSetField', 'OFPActionOutput'], 'actions')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
