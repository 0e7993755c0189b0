#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Controller messages as os-ken writes them, one a line, for the codec's unit tests:

    msg NAME HEX                      a message
    match FIELD VALUE MASK HEX        a flow-mod whose match holds FIELD behind its prerequisites; MASK may be -
    set FIELD VALUE HEX               a packet-out with one set-field

VALUE and MASK are the OXM payloads the test must find, worked out here and not by os-ken.
"""
import ipaddress

from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

DP = ProtocolDesc(version=ofp.OFP_VERSION)

IP4 = {"eth_type": 0x0800}
IP6 = {"eth_type": 0x86DD}
ARP = {"eth_type": 0x0806}
MPLS = {"eth_type": 0x8848}
PBB = {"eth_type": 0x88E7}
TCP = dict(IP4, ip_proto=6)
UDP = dict(IP6, ip_proto=17)
SCTP = dict(IP4, ip_proto=132)
ICMP4 = dict(IP4, ip_proto=1)
ICMP6 = dict(IP6, ip_proto=58)
SOLICIT = dict(ICMP6, icmpv6_type=135)
ADVERT = dict(ICMP6, icmpv6_type=136)

# field: prerequisites, payload length, value, mask (None: may not be masked), may be set
FIELDS = {
    "in_port": ({}, 4, 7, None, False),
    "in_phy_port": ({"in_port": 7}, 4, 8, None, False),
    "metadata": ({}, 8, 0x1234000056780000, 0xFFFF0000FFFF0000, False),
    "eth_dst": ({}, 6, "01:00:00:00:00:02", "ff:00:00:00:00:ff", True),
    "eth_src": ({}, 6, "0a:0b:0c:00:00:00", "ff:ff:ff:00:00:00", True),
    "eth_type": ({}, 2, 0x88CC, None, True),
    "vlan_vid": ({}, 2, 0x1064, 0x1FFE, True),
    "vlan_pcp": ({"vlan_vid": 0x1005}, 1, 5, None, True),
    "ip_dscp": (IP4, 1, 46, None, True),
    "ip_ecn": (IP6, 1, 3, None, True),
    "ip_proto": (IP4, 1, 89, None, True),
    "ipv4_src": (IP4, 4, "10.1.0.0", "255.255.0.0", True),
    "ipv4_dst": (IP4, 4, "0.0.0.9", "0.0.0.255", True),
    "tcp_src": (TCP, 2, 80, None, True),
    "tcp_dst": (TCP, 2, 65535, None, True),
    "udp_src": (UDP, 2, 53, None, True),
    "udp_dst": (UDP, 2, 0, None, True),
    "sctp_src": (SCTP, 2, 5000, None, True),
    "sctp_dst": (SCTP, 2, 5001, None, True),
    "icmpv4_type": (ICMP4, 1, 8, None, True),
    "icmpv4_code": (ICMP4, 1, 1, None, True),
    "arp_op": (ARP, 2, 2, None, True),
    "arp_spa": (ARP, 4, "192.168.0.0", "255.255.255.0", True),
    "arp_tpa": (ARP, 4, "192.168.0.1", "255.255.255.255", True),
    "arp_sha": (ARP, 6, "00:00:00:00:00:01", "00:00:00:00:00:ff", True),
    "arp_tha": (ARP, 6, "02:00:00:00:00:00", "ff:00:00:00:00:00", True),
    "ipv6_src": (IP6, 16, "2001:db8::", "ffff:ffff::", True),
    "ipv6_dst": (IP6, 16, "::1:0:0:5", "::ffff:0:0:ffff", True),
    "ipv6_flabel": (IP6, 4, 0x12340, 0xFFFF0, True),
    "icmpv6_type": (ICMP6, 1, 128, None, True),
    "icmpv6_code": (ICMP6, 1, 2, None, True),
    "ipv6_nd_target": (SOLICIT, 16, "fe80::1", None, True),
    "ipv6_nd_sll": (SOLICIT, 6, "00:01:02:03:04:05", None, True),
    "ipv6_nd_tll": (ADVERT, 6, "00:01:02:03:04:06", None, True),
    "mpls_label": (MPLS, 4, 0xFFFFF, None, True),
    "mpls_tc": (MPLS, 1, 7, None, True),
    "mpls_bos": (MPLS, 1, 1, None, True),
    "pbb_isid": (PBB, 3, 0x123400, 0xFFFF00, True),
    "tunnel_id": ({}, 8, 0x0000123400000000, 0x0000FFFF00000000, True),
    "ipv6_exthdr": (IP6, 2, 0x140, 0x1F0, False),
    "tcp_flags": (TCP, 2, 0x012, 0x0FF, False),
}


def payload(value, size):
    if isinstance(value, int):
        return value.to_bytes(size, "big")
    if value.count(":") == 5 and size == 6:
        return bytes.fromhex(value.replace(":", ""))
    return ipaddress.ip_address(value).packed


def wire(msg):
    msg.set_xid(0x01020304)
    msg.serialize()
    return bytes(msg.buf).hex()


def flow_mod(match=None, inst=(), **kw):
    return parser.OFPFlowMod(DP, match=match or parser.OFPMatch(), instructions=list(inst), **kw)


def packet_out(actions, data=b""):
    return parser.OFPPacketOut(DP, ofp.OFP_NO_BUFFER, 3, actions, data)


def fields():
    for name, (prereq, size, value, mask, settable) in FIELDS.items():
        exact = parser.OFPMatch(**dict(prereq, **{name: value}))
        print("match", name, payload(value, size).hex(), "-", wire(flow_mod(exact)))
        if mask is not None:
            masked = parser.OFPMatch(**dict(prereq, **{name: (value, mask)}))
            print("match", name, payload(value, size).hex(), payload(mask, size).hex(), wire(flow_mod(masked)))
        if settable:
            actions = [parser.OFPActionSetField(**{name: value})]
            print("set", name, payload(value, size).hex(), wire(packet_out(actions)))


def all_actions():
    return [
        parser.OFPActionOutput(7, 0),
        parser.OFPActionOutput(ofp.OFPP_CONTROLLER, 0xFFFF),
        parser.OFPActionCopyTtlOut(),
        parser.OFPActionCopyTtlIn(),
        parser.OFPActionSetMplsTtl(64),
        parser.OFPActionDecMplsTtl(),
        parser.OFPActionPushVlan(0x88A8),
        parser.OFPActionPopVlan(),
        parser.OFPActionPushMpls(0x8847),
        parser.OFPActionPopMpls(0x0800),
        parser.OFPActionSetQueue(9),
        parser.OFPActionGroup(10),
        parser.OFPActionSetNwTtl(63),
        parser.OFPActionDecNwTtl(),
        parser.OFPActionSetField(eth_dst="02:00:00:00:00:03"),
        parser.OFPActionPushPbb(0x88E7),
        parser.OFPActionPopPbb(),
    ]


def all_instructions():
    """In the order in which the switch writes them."""
    return [
        parser.OFPInstructionMeter(11),
        parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, all_actions()),
        parser.OFPInstructionActions(ofp.OFPIT_CLEAR_ACTIONS, []),
        parser.OFPInstructionActions(ofp.OFPIT_WRITE_ACTIONS, [parser.OFPActionOutput(2)]),
        parser.OFPInstructionWriteMetadata(0x1122, 0xFFFF),
        parser.OFPInstructionGotoTable(5),
    ]


def flow_messages():
    match = parser.OFPMatch(in_port=1, eth_type=0x0800, ip_proto=6, ipv4_dst=("10.0.0.0", "255.0.0.0"), tcp_dst=80)
    yield "flow_mod", flow_mod(
        match, all_instructions(), cookie=0x1122334455667788, cookie_mask=0xFF, table_id=3, command=ofp.OFPFC_ADD,
        idle_timeout=10, hard_timeout=20, priority=1000, buffer_id=ofp.OFP_NO_BUFFER, out_port=4, out_group=5,
        flags=ofp.OFPFF_SEND_FLOW_REM | ofp.OFPFF_CHECK_OVERLAP)
    yield "flow_mod_empty", flow_mod(priority=0)
    yield "flow_mod_delete", flow_mod(
        command=ofp.OFPFC_DELETE, table_id=ofp.OFPTT_ALL, out_port=ofp.OFPP_ANY, out_group=ofp.OFPG_ANY,
        inst=[parser.OFPInstructionGotoTable(5)])
    yield "packet_out", packet_out(all_actions(), bytes(range(60)))
    yield "packet_out_empty", packet_out([])


def group_and_meter_messages():
    buckets = [
        parser.OFPBucket(1, 2, 3, [parser.OFPActionOutput(5)]),
        parser.OFPBucket(0, ofp.OFPP_ANY, ofp.OFPG_ANY, all_actions()),
        parser.OFPBucket(9, ofp.OFPP_ANY, ofp.OFPG_ANY, []),
    ]
    yield "group_mod", parser.OFPGroupMod(DP, ofp.OFPGC_MODIFY, ofp.OFPGT_SELECT, 77, buckets)
    yield "group_mod_delete", parser.OFPGroupMod(DP, ofp.OFPGC_DELETE, ofp.OFPGT_ALL, ofp.OFPG_ALL, [])
    bands = [parser.OFPMeterBandDrop(1000, 100), parser.OFPMeterBandDscpRemark(2000, 200, 3)]
    yield "meter_mod", parser.OFPMeterMod(DP, ofp.OFPMC_ADD, ofp.OFPMF_KBPS | ofp.OFPMF_BURST, 12, bands)
    yield "meter_mod_delete", parser.OFPMeterMod(DP, ofp.OFPMC_DELETE, 0, ofp.OFPM_ALL, [])


def multipart_messages():
    match = parser.OFPMatch(in_port=1)
    yield "mp_desc", parser.OFPDescStatsRequest(DP, 0)
    yield "mp_flow", parser.OFPFlowStatsRequest(DP, 0, 4, 5, 6, 7, 8, match)
    yield "mp_aggregate", parser.OFPAggregateStatsRequest(DP, 0, ofp.OFPTT_ALL, ofp.OFPP_ANY, ofp.OFPG_ANY, 7, 8, match)
    yield "mp_table", parser.OFPTableStatsRequest(DP, 0)
    yield "mp_port_stats", parser.OFPPortStatsRequest(DP, 0, 13)
    yield "mp_queue", parser.OFPQueueStatsRequest(DP, 0, 14, 15)
    yield "mp_group", parser.OFPGroupStatsRequest(DP, 0, 16)
    yield "mp_group_desc", parser.OFPGroupDescStatsRequest(DP, 0)
    yield "mp_group_features", parser.OFPGroupFeaturesStatsRequest(DP, 0)
    yield "mp_meter", parser.OFPMeterStatsRequest(DP, 0, 17)
    yield "mp_meter_config", parser.OFPMeterConfigStatsRequest(DP, 0, 18)
    yield "mp_meter_features", parser.OFPMeterFeaturesStatsRequest(DP, 0)
    yield "mp_table_features", parser.OFPTableFeaturesStatsRequest(DP, 1, [])
    yield "mp_port_desc", parser.OFPPortDescStatsRequest(DP, 0)


def other_messages():
    yield "hello", parser.OFPHello(DP, [parser.OFPHelloElemVersionBitmap([1, 4, 6])])
    yield "hello_plain", parser.OFPHello(DP)
    yield "error", parser.OFPErrorMsg(DP, type_=ofp.OFPET_BAD_MATCH, code=ofp.OFPBMC_BAD_MASK, data=b"12345678")
    yield "echo_request", parser.OFPEchoRequest(DP, b"abc")
    yield "echo_reply", parser.OFPEchoReply(DP, b"")
    yield "experimenter", parser.OFPExperimenter(DP, 0x4F4E4600, 2300, b"")
    yield "features_request", parser.OFPFeaturesRequest(DP)
    yield "get_config_request", parser.OFPGetConfigRequest(DP)
    yield "set_config", parser.OFPSetConfig(DP, ofp.OFPC_FRAG_DROP, 1500)
    yield "port_mod", parser.OFPPortMod(DP, 3, "00:00:00:00:00:11", ofp.OFPPC_NO_RECV, 0x65, 0x2840)
    yield "table_mod", parser.OFPTableMod(DP, ofp.OFPTT_ALL, 3)
    yield "barrier_request", parser.OFPBarrierRequest(DP)
    yield "queue_get_config_request", parser.OFPQueueGetConfigRequest(DP, ofp.OFPP_ANY)
    yield "role_request", parser.OFPRoleRequest(DP, ofp.OFPCR_ROLE_MASTER, 0xFFEEDDCCBBAA9988)
    yield "get_async_request", parser.OFPGetAsyncRequest(DP)
    yield "set_async", parser.OFPSetAsync(DP, [1, 2], [3, 4], [5, 6])


def main():
    fields()
    for family in (flow_messages, group_and_meter_messages, multipart_messages, other_messages):
        for name, msg in family():
            print("msg", name, wire(msg))


if __name__ == "__main__":
    main()
