# SPDX-License-Identifier: GPL-2.0-only
"""Random OpenFlow messages: pipelines as a sane controller makes them, single messages of each kind with random fields as
os-ken writes them, and either of them damaged."""
import struct
from collections import deque

from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from frame import FIELDS
from generate import Generator
from pipeline import message as pipeline_message

DP = ProtocolDesc(version=ofp.OFP_VERSION)
HEADER = struct.Struct('>BBHI')
LONGEST = 65535
LIMITS16 = (0, 1, 7, 8, 16, 0x7fff, 0x8000, 0xfff8, 0xffff)
PORTS = (1, 2, 3, 4, 5, 6, 7, 1023, 0, ofp.OFPP_MAX, ofp.OFPP_IN_PORT, ofp.OFPP_TABLE, ofp.OFPP_NORMAL, ofp.OFPP_FLOOD, ofp.OFPP_ALL,
         ofp.OFPP_CONTROLLER, ofp.OFPP_LOCAL, ofp.OFPP_ANY)
GROUPS = (1, 2, 3, 4, 7, 100, 0xffffff00, ofp.OFPG_ALL, ofp.OFPG_ANY)
METERS = (1, 2, 3, 4, 4096, 0xffff0000, ofp.OFPM_SLOWPATH, ofp.OFPM_CONTROLLER, ofp.OFPM_ALL)
TYPES = (0x8100, 0x88a8, 0x8847, 0x8848, 0x88e7, 0x0800, 0x86dd, 0x0806, 0x1234, 0)
STATISTICS = (parser.OFPDescStatsRequest, parser.OFPTableStatsRequest, parser.OFPPortDescStatsRequest, parser.OFPGroupDescStatsRequest,
              parser.OFPGroupFeaturesStatsRequest, parser.OFPMeterFeaturesStatsRequest)
ACTION_PROPERTIES = (ofp.OFPTFPT_WRITE_ACTIONS, ofp.OFPTFPT_WRITE_ACTIONS_MISS, ofp.OFPTFPT_APPLY_ACTIONS, ofp.OFPTFPT_APPLY_ACTIONS_MISS)
FIELD_PROPERTIES = (ofp.OFPTFPT_MATCH, ofp.OFPTFPT_WILDCARDS, ofp.OFPTFPT_WRITE_SETFIELD, ofp.OFPTFPT_WRITE_SETFIELD_MISS,
                    ofp.OFPTFPT_APPLY_SETFIELD, ofp.OFPTFPT_APPLY_SETFIELD_MISS)


def framed(kind, body=b'', xid=0, version=ofp.OFP_VERSION):
    return HEADER.pack(version, kind, 8 + len(body), xid) + body


def text(field, value):
    """As os-ken has it: addresses are text."""
    data = value.to_bytes(field.size, 'big')
    if field.name.startswith(('eth_src', 'eth_dst', 'arp_sha', 'arp_tha', 'ipv6_nd_sll', 'ipv6_nd_tll')):
        return data.hex(':')
    if field.size == 4 and field.name.startswith(('ipv4', 'arp')):
        return '.'.join(map(str, data))
    if field.size == 16:
        return data.hex(':', 2)
    return value


class Messages:
    """r: random.Random; pools: the values that rules and packets share (test/diff/traffic.py)."""

    def __init__(self, r, pools):
        self.r, self.gen = r, Generator(r, for_ovs=False)
        self.gen.pools = self.gen.traffic.pools = pools
        self.sane, self.recent = deque(), deque(maxlen=256)
        self.makers = [getattr(self, n) for n in sorted(dir(self)) if n.startswith('make_')]
        self.makers += [self.make_flow_mod] * 12 + [self.make_group_mod] * 4 + [self.make_packet_out] * 3 + [self.make_meter_mod] * 2

    def next(self):
        """Bytes of one message."""
        how = self.r.random()
        if how < 0.35:
            m = self.next_sane()
        elif how < 0.6 or len(self.recent) < 16:
            m = self.wild()
        else:
            return self.damage(self.r.choice(self.recent))
        self.recent.append(m)
        return m

    def next_sane(self):
        """Of a pipeline that a controller installs and changes, and now and then replaces; entries may time out."""
        r = self.r
        while not self.sane:
            mods = self.gen.change_some() if self.gen.state.flows and r.random() < 0.97 else self.start_anew()
            self.sane.extend(m for m in map(pipeline_message, mods) if m)
        kind, body = self.sane.popleft()
        if kind == ofp.OFPT_FLOW_MOD and r.random() < 0.3:
            body = bytearray(body)
            struct.pack_into('>HH', body, 18, r.choice((0, 1, 2)), r.choice((0, 1, 3)))
            struct.pack_into('>H', body, 36, r.getrandbits(5) & ~ofp.OFPFF_CHECK_OVERLAP)
        return framed(kind, bytes(body), r.getrandbits(32))

    def start_anew(self):
        """Mods of another pipeline; what is left of the one before mostly goes."""
        gen = Generator(self.r, for_ovs=False)
        gen.pools = gen.traffic.pools = self.gen.pools
        self.gen = gen
        return gen.install()

    # -- as os-ken writes them
    def wild(self):
        while True:
            m = self.r.choice(self.makers)()
            if isinstance(m, bytes):
                return m
            m.set_xid(self.r.getrandbits(32))
            try:
                m.serialize()
                return bytes(m.buf)
            except struct.error:  # longer than a message may be
                continue

    def field(self, name):
        return text(FIELDS[name], self.gen.pools.pick(self.r, name))

    def match(self):
        what = {}
        for name, (value, mask) in self.gen.match(self.r.choice((0, 1))).items():
            f = FIELDS[name]
            what[name] = text(f, value) if mask is None else (text(f, value), text(f, mask))
        return parser.OFPMatch(**what)

    def action(self):
        r = self.r
        how = r.random()
        if how < 0.35:
            return parser.OFPActionOutput(r.choice(PORTS), r.choice((0, 64, 0xffff)))
        if how < 0.6:
            name = r.choice(sorted(n for n, f in FIELDS.items() if f.settable or r.random() < 0.05))
            return parser.OFPActionSetField(**{name: self.field(name)})
        make, args = r.choice((
            (parser.OFPActionGroup, (r.choice(GROUPS),)), (parser.OFPActionSetQueue, (r.choice((0, 1, 2, 10, 70000)),)),
            (parser.OFPActionCopyTtlOut, ()), (parser.OFPActionCopyTtlIn, ()), (parser.OFPActionSetMplsTtl, (r.getrandbits(8),)),
            (parser.OFPActionDecMplsTtl, ()), (parser.OFPActionPushVlan, (r.choice(TYPES),)), (parser.OFPActionPopVlan, ()),
            (parser.OFPActionPushMpls, (r.choice(TYPES),)), (parser.OFPActionPopMpls, (r.choice(TYPES),)),
            (parser.OFPActionSetNwTtl, (r.getrandbits(8),)), (parser.OFPActionDecNwTtl, ()), (parser.OFPActionPushPbb, (r.choice(TYPES),)),
            (parser.OFPActionPopPbb, ()), (parser.OFPActionExperimenterUnknown, (r.getrandbits(32), r.randbytes(8)))))
        return make(*args)

    def actions(self):
        return [self.action() for _ in range(self.r.choice((0, 1, 1, 1, 2, 2, 3, 5, 8, 64, 65)))]

    def instructions(self):
        r = self.r
        all_ = [parser.OFPInstructionMeter(r.choice(METERS)),
                parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, self.actions()),
                parser.OFPInstructionActions(ofp.OFPIT_CLEAR_ACTIONS, []),
                parser.OFPInstructionActions(ofp.OFPIT_WRITE_ACTIONS, self.actions()),
                parser.OFPInstructionWriteMetadata(r.getrandbits(64), r.getrandbits(64)),
                parser.OFPInstructionGotoTable(r.choice((1, 2, 3, 10, 254, 255)))]
        return [i for i in all_ if r.random() < 0.35]

    def make_flow_mod(self):
        r = self.r
        return parser.OFPFlowMod(
            DP, cookie=r.getrandbits(3), cookie_mask=r.choice((0, 0, 1, 3, 0xffffffffffffffff)), table_id=r.choice((0, 0, 0, 1, 2, 3, 10, 254, 255)),
            command=r.choice((0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5)), idle_timeout=r.choice((0, 0, 1, 2)), hard_timeout=r.choice((0, 0, 1, 3)),
            priority=r.choice((0, 1, 2, 3, r.getrandbits(16))), buffer_id=r.choice((ofp.OFP_NO_BUFFER,) * 20 + (7,)),
            out_port=r.choice((ofp.OFPP_ANY,) * 3 + PORTS), out_group=r.choice((ofp.OFPG_ANY,) * 3 + GROUPS), flags=r.getrandbits(5) & r.getrandbits(5),
            match=self.match() if r.random() < 0.9 else None, instructions=self.instructions())

    def make_group_mod(self):
        r = self.r
        buckets = [parser.OFPBucket(r.choice((0, 1, 1, 100, 65535)), r.choice((ofp.OFPP_ANY, 1, 2, 3, 9)), r.choice((ofp.OFPG_ANY,) * 3 + GROUPS),
                                    self.actions()) for _ in range(r.choice((0, 1, 1, 2, 2, 3, 4, 30)))]
        return parser.OFPGroupMod(DP, r.choice((0, 0, 0, 1, 1, 2, 3)), r.choice((0, 1, 2, 3, 3, 4)), r.choice(GROUPS), buckets)

    def make_meter_mod(self):
        r = self.r
        bands = []
        for _ in range(r.choice((0, 1, 1, 2, 8, 9))):
            rate, burst = r.choice((0, 1, 1000, r.getrandbits(32))), r.choice((0, 1, 1000, r.getrandbits(32)))
            bands.append(parser.OFPMeterBandDrop(rate, burst) if r.random() < 0.5 else
                         parser.OFPMeterBandDscpRemark(rate, burst, r.choice((0, 1, 2, 64))))
        return parser.OFPMeterMod(DP, r.choice((0, 0, 0, 1, 1, 2, 3)), r.choice((1, 2, 4, 5, 8, 9, 13, 16)), r.choice(METERS), bands)

    def make_packet_out(self):
        r = self.r
        frame = self.gen.traffic.packet(self.gen.state)[1] if self.gen.state.flows and r.random() < 0.8 else \
            r.randbytes(r.choice((0, 1, 13, 14, 60, 1500, 3500, 9000)))
        buffered = r.random() < 0.03
        return parser.OFPPacketOut(DP, 0 if buffered else ofp.OFP_NO_BUFFER, r.choice(PORTS), self.actions(), None if buffered else frame)

    def make_port_mod(self):
        """Mostly with an address that is wrong, which is refused: a port that is down meets no packets."""
        r, no = self.r, self.r.choice(PORTS)
        address = '02:00:00:00:ff:%02x' % (no & 255) if r.random() < 0.3 else '00:00:00:00:00:00'
        bits = r.choice((0, 0, 0, ofp.OFPPC_PORT_DOWN, ofp.OFPPC_NO_RECV, ofp.OFPPC_NO_FWD, ofp.OFPPC_NO_PACKET_IN, r.getrandbits(32)))
        return parser.OFPPortMod(DP, no, address, bits, r.choice((0x65, 0x65, r.getrandbits(32))), r.choice((0, 0, r.getrandbits(32))))

    def make_table_mod(self):
        return parser.OFPTableMod(DP, self.r.choice((0, 1, 254, 255)), self.r.choice((0, 3, self.r.getrandbits(32))))

    def make_role(self):
        """Few slaves, or nothing would be changed any more."""
        role = self.r.choice((ofp.OFPCR_ROLE_NOCHANGE, ofp.OFPCR_ROLE_EQUAL, ofp.OFPCR_ROLE_EQUAL, ofp.OFPCR_ROLE_MASTER, 4))
        role = ofp.OFPCR_ROLE_SLAVE if self.r.random() < 0.03 else role
        return parser.OFPRoleRequest(DP, role, self.r.choice((0, 1, 2, self.r.getrandbits(64))))

    def make_async(self):
        r = self.r
        if r.random() < 0.3:
            return parser.OFPGetAsyncRequest(DP)
        return parser.OFPSetAsync(DP, *[[r.choice((7, 7, 0, r.getrandbits(32))) for _ in range(2)] for _ in range(3)])

    def make_config(self):
        r = self.r
        if r.random() < 0.3:
            return parser.OFPGetConfigRequest(DP)
        return parser.OFPSetConfig(DP, r.choice((0, 0, 0, 1, 2, 3, r.getrandbits(16))), r.choice((0, 128, 0xffe5, 0xffff)))

    def make_symmetric(self):
        r = self.r
        return r.choice((parser.OFPHello(DP, [parser.OFPHelloElemVersionBitmap([4])]),
                         parser.OFPEchoRequest(DP, r.randbytes(r.choice((0, 1, 100, 60000)))), parser.OFPEchoReply(DP, r.randbytes(4)),
                         parser.OFPErrorMsg(DP, r.getrandbits(4), r.getrandbits(4), r.randbytes(64)),
                         parser.OFPExperimenter(DP, r.getrandbits(32), r.getrandbits(32), r.randbytes(r.choice((0, 8, 100))))))

    def make_request(self):
        r = self.r
        return r.choice((parser.OFPFeaturesRequest(DP), parser.OFPBarrierRequest(DP), parser.OFPQueueGetConfigRequest(DP, r.choice(PORTS))))

    def make_unknown(self):
        """Those that only a switch sends, and types there are not."""
        return framed(self.r.getrandbits(8), self.r.randbytes(self.r.choice((0, 4, 8, 40, 300))), self.r.getrandbits(32))

    def flags(self):
        return self.r.choice((0, 0, 0, 0, 0, 1, self.r.getrandbits(16)))

    def make_statistics(self):
        r, flags = self.r, self.flags()
        simple = r.choice(STATISTICS)
        table, port, group = r.choice((0, 1, 254, 255)), r.choice(PORTS), r.choice(GROUPS)
        of_flows = (table, r.choice((ofp.OFPP_ANY, port)), r.choice((ofp.OFPG_ANY, group)), r.getrandbits(2), r.choice((0, 1)), self.match())
        return r.choice((
            simple(DP, flags), simple(DP, flags), parser.OFPFlowStatsRequest(DP, flags, *of_flows),
            parser.OFPAggregateStatsRequest(DP, flags, *of_flows), parser.OFPPortStatsRequest(DP, flags, port),
            parser.OFPQueueStatsRequest(DP, flags, port, r.choice((0, 1, ofp.OFPQ_ALL))), parser.OFPGroupStatsRequest(DP, flags, group),
            parser.OFPMeterStatsRequest(DP, flags, r.choice(METERS)), parser.OFPMeterConfigStatsRequest(DP, flags, r.choice(METERS)),
            parser.OFPExperimenterStatsRequest(DP, flags, r.getrandbits(32), 1, b'x' * 8)))

    # -- table features
    def some(self, all_, chance=0.8):
        return [x for x in all_ if self.r.random() < chance]

    def property(self, kind):
        if kind in (ofp.OFPTFPT_INSTRUCTIONS, ofp.OFPTFPT_INSTRUCTIONS_MISS):
            return parser.OFPTableFeaturePropInstructions(kind, instruction_ids=[parser.OFPInstructionId(i) for i in self.some(range(1, 7))])
        if kind in (ofp.OFPTFPT_NEXT_TABLES, ofp.OFPTFPT_NEXT_TABLES_MISS):
            return parser.OFPTableFeaturePropNextTables(kind, table_ids=self.some(range(1, 255), self.r.random()))
        if kind in ACTION_PROPERTIES:
            return parser.OFPTableFeaturePropActions(kind, action_ids=[parser.OFPActionId(i) for i in self.some([0, *range(11, 28)])])
        return parser.OFPTableFeaturePropOxm(kind, oxm_ids=[parser.OFPOxmId(n) for n in self.some(sorted(FIELDS))])

    def make_table_features(self):
        """Mostly a question, or all tables, or many: what is left out is gone until a later request has it."""
        r, how = self.r, self.r.random()
        if how < 0.5:
            return parser.OFPTableFeaturesStatsRequest(DP, self.flags(), [])
        kinds = (0, 1, 2, 3, *ACTION_PROPERTIES, *FIELD_PROPERTIES)
        same = [self.property(k) for k in self.some(kinds, r.choice((0, 0.5, 1)))] if r.random() < 0.5 else []
        tables = range(r.choice((1, 10, 255, 255, 255)) // (10 if same else 1))
        body = [parser.OFPTableFeaturesStats(
            table_id=t, name=b'table %d' % t, metadata_match=0xffffffffffffffff, metadata_write=0xffffffffffffffff,
            config=r.choice((0, 3)), max_entries=r.choice((0, 1000, 0xffffffff)), properties=same) for t in tables]
        return parser.OFPTableFeaturesStatsRequest(DP, r.choice((0, 0, 0, 1)), body)

    # -- damage
    def damage(self, m):
        r, m = self.r, bytearray(m)
        for _ in range(r.choice((1, 1, 1, 2, 4))):
            r.choice((self.flip, self.flip, self.flip, self.limit, self.limit, self.cut, self.stretch, self.splice, self.repeat, self.retype))(m)
        del m[LONGEST:]
        struct.pack_into('>H', m, 2, len(m))
        if r.random() < 0.002:  # the stream is lost by that
            struct.pack_into('>H', m, 2, r.choice((0, 7, len(m) - 1, min(len(m) + 8, LONGEST), LONGEST)))
        return bytes(m)

    def inside(self, m):
        """A place behind the header; mostly near it, where structures begin."""
        end = len(m) if self.r.random() < 0.5 else min(len(m), 80)
        return self.r.randrange(8, end) if end > 8 else 8

    def flip(self, m):
        at = self.inside(m)
        if at < len(m):
            m[at] ^= 1 << self.r.randrange(8)

    def limit(self, m):
        at = self.inside(m) & ~1
        if at + 2 <= len(m):
            here, = struct.unpack_from('>H', m, at)
            struct.pack_into('>H', m, at, self.r.choice(LIMITS16 + (here + 8 & 0xffff, here - 8 & 0xffff, here + 1 & 0xffff, len(m) - at & 0xffff)))

    def cut(self, m):
        del m[self.inside(m):]

    def stretch(self, m):
        m += self.r.randbytes(self.r.choice((1, 4, 8, 40)))

    def splice(self, m):
        other = self.r.choice(self.recent)
        m[self.inside(m):] = other[min(self.inside(other), len(other)):]

    def repeat(self, m):
        at, times = self.inside(m) & ~7, self.r.choice((1, 1, 10, 200))
        m[at:at] = m[at:at + self.r.choice((8, 16, 24, 40))] * times

    def retype(self, m):
        m[1] = self.r.choice((0, 5, 13, 14, 15, 16, 17, 18, 20, 22, 24, 26, 28, 29, self.r.getrandbits(8)))
