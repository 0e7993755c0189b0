# SPDX-License-Identifier: GPL-2.0-only
"""Table features requests as os-ken writes them: asked for, sent back in several messages, changed."""
import struct
import sys

from lib import Client, Switch, check, equal, run_tests, udp
from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

DP = ProtocolDesc(version=ofp.OFP_VERSION)
REQUEST, REPLY = 18, 19
IN_A_MESSAGE = 25  # tables


def message(flags, tables):
    m = parser.OFPTableFeaturesStatsRequest(DP, flags, tables)
    m.set_xid(0)
    m.serialize()
    return bytes(m.buf[8:])


def answer(c, xid):
    """All tables of the reply, or (type, code) of the error."""
    tables, more = [], True
    while more:
        kind, _, body = c.answer(xid)
        if kind == c.ERROR:
            return struct.unpack('>HH', body[:4])
        equal(kind, REPLY, 'type')
        more = struct.unpack('>H', body[2:4])[0] & 1
        at = 8
        while at < len(body):
            tables.append(parser.OFPTableFeaturesStats.parser(body, at))
            at += tables[-1].length
    return tables


def ask(c, tables=()):
    xid = None
    for i in range(0, max(len(tables), 1), IN_A_MESSAGE):
        last = i + IN_A_MESSAGE >= len(tables)
        xid = c.send(REQUEST, message(0 if last else ofp.OFPMPF_REQ_MORE, tables[i:i + IN_A_MESSAGE]), xid)
    return answer(c, xid)


def plain(tables):
    return [t.to_jsondict() for t in tables]


def test_sent_back(sw):
    sw.flows('actions=output:2')
    with Client(sw.sock) as c:
        tables = ask(c)
        equal(len(tables), 255, 'tables')
    was = plain(tables)  # before os-ken writes them: it sets the fields' lengths to 0
    with Client(sw.sock) as c:  # anew: an emulated machine takes longer for that than a silent peer has
        check(plain(ask(c, tables)) == was, 'the tables have changed')
    sw.forward([(1, udp(1, 2))], {2: [udp(1, 2)]})


def test_names(sw):
    with Client(sw.sock) as c:
        tables = ask(c)
        tables[2].name = b'routes'
        equal(ask(c, tables)[2].name.rstrip(b'\0'), b'routes', 'name')
    check('routes' in sw.of('dump-table-features'), 'the name is not shown')


def test_refused(sw):
    with Client(sw.sock) as c:
        tables = ask(c)
        tables[3].name = b'never'
        equal(ask(c, tables[1:]), (ofp.OFPET_TABLE_FEATURES_FAILED, ofp.OFPTFFC_EPERM), 'without table 0')
        tables[254].table_id = 255
        equal(ask(c, tables), (ofp.OFPET_TABLE_FEATURES_FAILED, ofp.OFPTFFC_BAD_TABLE), 'table 255')
        tables[254].table_id = 254
        tables[2].properties = [prop(parser.OFPTableFeaturePropOxm, ofp.OFPTFPT_APPLY_SETFIELD, oxm_ids=oxms({'in_port': False}))]
        equal(ask(c, tables), (ofp.OFPET_TABLE_FEATURES_FAILED, ofp.OFPTFFC_BAD_ARGUMENT), 'to set the in_port')
        check(b'never' not in [t.name.rstrip(b'\0') for t in ask(c)], 'a refused request changed a name')


# --- as Faucet asks for its pipeline ---

class Table:
    """A table as an application describes it; next, miss: names of others."""

    def __init__(self, name, match, sets=(), following=(), miss=None, exact=False, outputs=False, dec_ttl=False, size=64):
        self.name, self.match, self.sets, self.next, self.miss = name, match, sets, following, miss
        self.exact, self.outputs, self.dec_ttl, self.size = exact, outputs, dec_ttl, size


L2 = {'eth_dst': True, 'eth_src': False, 'eth_type': False, 'in_port': False, 'vlan_vid': False}
FIB = {'eth_type': False, 'vlan_vid': False}
PIPELINE = [
    Table('port_acl', dict(L2, ip_proto=False, ipv4_src=True, udp_dst=False), outputs=True, following=('vlan', 'eth_dst', 'flood')),
    Table('vlan', {'eth_dst': True, 'eth_type': False, 'in_port': False, 'vlan_vid': False}, ('vlan_vid',),
          ('eth_src', 'ipv4_fib', 'eth_dst', 'flood')),
    Table('eth_src', L2, ('vlan_vid', 'eth_dst'), ('ipv4_fib', 'ipv6_fib', 'vip', 'eth_dst', 'flood'), 'eth_dst'),
    Table('ipv4_fib', dict(FIB, ipv4_dst=True), ('eth_dst', 'eth_src', 'vlan_vid'), ('vip', 'eth_dst', 'flood'), dec_ttl=True),
    Table('ipv6_fib', dict(FIB, ipv6_dst=True), ('eth_dst', 'eth_src', 'vlan_vid'), ('vip', 'eth_dst', 'flood'), dec_ttl=True),
    Table('vip', {'arp_tpa': False, 'eth_dst': False, 'eth_type': False, 'icmpv6_type': False, 'ip_proto': False}, (),
          ('eth_dst', 'flood'), outputs=True),
    Table('eth_dst', {'eth_dst': False, 'in_port': False, 'vlan_vid': False}, (), ('flood',), 'flood', exact=True, outputs=True),
    Table('flood', {'eth_dst': True, 'in_port': False, 'vlan_vid': False}, outputs=True)]
PROFILES = {  # OXM ids given, all properties given, tables up to this one, entries of each at least
    'Open vSwitch TFM': (False, True, 253, 1000000), 'GenericTFM': (True, True, 0, 0), 'CiscoC9K': (True, True, 0, 0),
    'Aruba': (True, False, 0, 0)}
ALL_PROPERTIES = set(range(ofp.OFPTFPT_INSTRUCTIONS, ofp.OFPTFPT_APPLY_ACTIONS_MISS + 1)) | {
    ofp.OFPTFPT_MATCH, ofp.OFPTFPT_WILDCARDS, ofp.OFPTFPT_WRITE_SETFIELD, ofp.OFPTFPT_WRITE_SETFIELD_MISS,
    ofp.OFPTFPT_APPLY_SETFIELD, ofp.OFPTFPT_APPLY_SETFIELD_MISS}


def prop(kind, number, **lists):
    return kind(type_=number, **lists)


def oxms(fields):
    return [parser.OFPOxmId(type_=f, hasmask=m) for f, m in fields.items()]


def properties(table, ids, with_oxms, all_there):
    fields, actions = parser.OFPTableFeaturePropOxm, set()
    insts, known = {ofp.OFPIT_APPLY_ACTIONS}, oxms(table.match) if with_oxms else []
    out = [prop(fields, ofp.OFPTFPT_MATCH, oxm_ids=known)]
    if not table.exact:
        out.append(prop(fields, ofp.OFPTFPT_WILDCARDS, oxm_ids=known))
    if table.next:
        insts.add(ofp.OFPIT_GOTO_TABLE)
        out.append(prop(parser.OFPTableFeaturePropNextTables, ofp.OFPTFPT_NEXT_TABLES, table_ids=[ids[n] for n in table.next]))
    out.append(prop(parser.OFPTableFeaturePropInstructions, ofp.OFPTFPT_INSTRUCTIONS,
                    instruction_ids=[parser.OFPInstructionId(i) for i in insts]))
    if table.sets:
        actions |= {ofp.OFPAT_SET_FIELD, ofp.OFPAT_PUSH_VLAN}
        out.append(prop(fields, ofp.OFPTFPT_APPLY_SETFIELD, oxm_ids=oxms(dict.fromkeys(table.sets, False)) if with_oxms else []))
    actions |= {ofp.OFPAT_OUTPUT, ofp.OFPAT_POP_VLAN, ofp.OFPAT_GROUP} if table.outputs else set()
    actions |= {ofp.OFPAT_DEC_NW_TTL} if table.dec_ttl and all_there else set()
    if actions:
        out.append(prop(parser.OFPTableFeaturePropActions, ofp.OFPTFPT_APPLY_ACTIONS,
                        action_ids=[parser.OFPActionId(a) for a in actions]))
    if table.miss:
        out.append(prop(parser.OFPTableFeaturePropNextTables, ofp.OFPTFPT_NEXT_TABLES_MISS, table_ids=[ids[table.miss]]))
        out.append(prop(parser.OFPTableFeaturePropInstructions, ofp.OFPTFPT_INSTRUCTIONS_MISS,
                        instruction_ids=[parser.OFPInstructionId(ofp.OFPIT_GOTO_TABLE)]))
    return out


def pipeline(profile):
    with_oxms, all_there, last, entries = PROFILES[profile]
    ids = {t.name: i for i, t in enumerate(PIPELINE)}
    out = [parser.OFPTableFeaturesStats(config=3, max_entries=max(entries, t.size), metadata_match=0, metadata_write=0,
                                        name=t.name.encode(), properties=properties(t, ids, with_oxms, all_there), table_id=i)
           for i, t in enumerate(PIPELINE)]
    out += [parser.OFPTableFeaturesStats(config=3, max_entries=entries, metadata_match=0, metadata_write=0,
                                         name=str(i).encode(), properties=[], table_id=i) for i in range(len(PIPELINE), last + 1)]
    for t in out if all_there else ():
        t.properties += [prop(parser.OFPTableFeaturePropOxm, p) for p in sorted(ALL_PROPERTIES - {p.type for p in t.properties})]
    return out


def features_of(tables, number, kind):
    return next(p for p in tables[number].properties if p.type == kind)


def granted(sw, profile):
    """One message, as Faucet sends it.  The reply, and that the pipeline is what it says."""
    wanted = pipeline(profile)
    n = len(wanted)
    with Client(sw.sock) as c:
        tables = answer(c, c.send(REQUEST, message(0, wanted)))
        check(isinstance(tables, list), '%s is refused: %r', profile, tables)
        equal([t.table_id for t in tables], list(range(n)), 'tables')
        equal([t.name.rstrip(b'\0').decode() for t in tables[:8]], [t.name for t in PIPELINE], 'names')
        equal(features_of(tables, 0, ofp.OFPTFPT_NEXT_TABLES).table_ids, list(range(1, n)), 'next tables')
        if n < 50:  # to read a reply takes os-ken a while
            equal(plain(ask(c)), plain(tables), 'asked again')
    return n


def test_faucets_requests(sw):
    for profile in PROFILES:
        n = granted(sw, profile)
        sw.flows('table=0,in_port=1,actions=goto_table:1', 'table=1,actions=goto_table:6', 'table=6,priority=0,actions=goto_table:7',
                 'table=6,dl_dst=02:00:00:00:00:02,actions=output:2', 'table=7,actions=output:3')
        sw.forward([(1, udp(1, 2)), (1, udp(1, 3))], {2: [udp(1, 2)], 3: [udp(1, 3)]})
        check('BAD_TABLE_ID' in sw.of('add-flow', 'table=%d,actions=output:2' % n, check=False), 'a flow in no table')
        check('BAD_TABLE_ID' in sw.of('add-flow', 'table=3,actions=goto_table:%d' % n, check=False), 'a flow to no table')
        before = sw.dump()
        granted(sw, profile)
        equal(sw.dump(), before, 'flows after the same request')


def test_flows_go_with_tables_silently(sw):
    with Client(sw.sock) as c:
        everything = [parser.OFPTableFeaturesStats(i, b'', 0, 0, 0, 0, []) for i in range(255)]
        c.answer(c.send(REQUEST, message(0, everything)))
        sw.flows('table=0,send_flow_rem,actions=goto_table:9', 'table=9,send_flow_rem,actions=output:2', 'table=20,actions=output:3')
        granted(sw, 'GenericTFM')
        equal(sw.dump(), [], 'flows')
        check(c.wait(c.FLOW_REMOVED, 0.5) is None, 'a FLOW_REMOVED was sent')
        before = sw.drops()['no_match']
        sw.forward([(1, udp(1, 2))], {})
        equal(sw.drops()['no_match'] - before, 1, 'packets find table 0 empty')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
