#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What test_reply wrote, read by os-ken: lines "NAME HEX" on stdin, one message each; exit code 0 if all are right.

The numbers expected here are the ones test_reply.c puts in.
"""
import sys

from os_ken.ofproto import ofproto_parser, ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

DP = ProtocolDesc(version=ofp.OFP_VERSION)
XID = 0x01020304


def same(what, got, want):
    if got != want:
        sys.exit(f"{what}: got {got!r}, want {want!r}")


def fields(what, obj, **want):
    for name, value in want.items():
        same(f"{what}.{name}", getattr(obj, name), value)


def match(what, got, **want):
    same(what, dict(got.items()), want)


def port(what, p):
    fields(what, p, port_no=3, hw_addr="02:00:00:00:00:03", name=b"eth3", config=ofp.OFPPC_NO_FWD,
           state=ofp.OFPPS_LIVE, curr=0x2840, advertised=1, supported=2, peer=4, curr_speed=10000000, max_speed=40000000)


def hello(m):
    fields("hello", m, version=6)
    same("hello.elements", [e.versions for e in m.elements], [[1, 4, 6]])


def error(m):
    fields("error", m, type=ofp.OFPET_FLOW_MOD_FAILED, code=ofp.OFPFMFC_OVERLAP, data=bytes(range(80)))


def error_long(m):
    fields("error_long", m, type=ofp.OFPET_BAD_REQUEST, code=ofp.OFPBRC_BAD_LEN, msg_len=65535)


def error_dup_inst(m):
    fields("error_dup_inst", m, type=ofp.OFPET_EXPERIMENTER, exp_type=2600, experimenter=0x4F4E4600, data=b"12345678")


def hello_failed(m):
    fields("hello_failed", m, type=ofp.OFPET_HELLO_FAILED, code=ofp.OFPHFC_INCOMPATIBLE, data=b"1.3 only")


def echo_request(m):
    fields("echo_request", m, msg_type=ofp.OFPT_ECHO_REQUEST, data=b"abc")


def echo_reply(m):
    fields("echo_reply", m, msg_type=ofp.OFPT_ECHO_REPLY, data=b"")


def barrier_reply(m):
    fields("barrier_reply", m, msg_type=ofp.OFPT_BARRIER_REPLY, msg_len=8)


def features(m):
    fields("features", m, datapath_id=0x1122334455667788, n_buffers=0, n_tables=254, auxiliary_id=1, capabilities=0x4F)


def config(m):
    fields("config", m, flags=1, miss_send_len=128)


def role(m):
    fields("role", m, role=ofp.OFPCR_ROLE_SLAVE, generation_id=0xFFEEDDCCBBAA9988)


def asynchronous(m):
    fields("asynchronous", m, packet_in_mask=[1, 2], port_status_mask=[3, 4], flow_removed_mask=[5, 6])


def queue_config_empty(m):
    fields("queue_config_empty", m, port=9, queues=[])


def queue_config(m):
    fields("queue_config", m, port=ofp.OFPP_ANY)
    got = [(q.queue_id, q.port, [(type(p).__name__, p.rate) for p in q.properties]) for q in m.queues]
    same("queue_config.queues", got, [
        (5, 1, [("OFPQueuePropMinRate", 10), ("OFPQueuePropMaxRate", 1000)]), (6, 1, []), (7, 9, [("OFPQueuePropMaxRate", 20)])])


def mp_queue(m):
    same("mp_queue.len", len(m.body), 3)
    fields("mp_queue", m.body[2], port_no=9, queue_id=7, tx_bytes=0x100000001, tx_packets=0x100000002, tx_errors=3,
           duration_sec=4, duration_nsec=5)


def packet_in(m):
    fields("packet_in", m, xid=0, buffer_id=ofp.OFP_NO_BUFFER, total_len=60, reason=ofp.OFPR_ACTION, table_id=2,
           cookie=0xAABB, data=bytes(range(60)))
    match("packet_in.match", m.match, in_port=7, metadata=0x1234, tunnel_id=0x5678)


def flow_removed(m):
    fields("flow_removed", m, xid=0, cookie=0xAABB, priority=9, reason=ofp.OFPRR_HARD_TIMEOUT, table_id=2,
           duration_sec=10, duration_nsec=11, idle_timeout=12, hard_timeout=13, packet_count=14, byte_count=15)
    match("flow_removed.match", m.match, eth_type=0x0800, ipv4_dst="10.0.0.1")


def port_status(m):
    fields("port_status", m, xid=0, reason=ofp.OFPPR_MODIFY)
    port("port_status.desc", m.desc)


def mp_desc(m):
    fields("mp_desc", m.body, mfr_desc=b"m" * 255, hw_desc=b"hardware", sw_desc=b"software", serial_num=b"s" * 31,
           dp_desc=b"")


def mp_flow(m):
    same("mp_flow flows", len(m.body), 2)
    for n, f in enumerate(m.body):
        fields("mp_flow", f, table_id=n, duration_sec=1, duration_nsec=2, priority=3, idle_timeout=4, hard_timeout=5,
               flags=ofp.OFPFF_SEND_FLOW_REM, cookie=6, packet_count=7, byte_count=8)
        match("mp_flow.match", f.match, eth_type=0x0800, ipv4_dst="10.0.0.1")
        same("mp_flow instructions", [type(i).__name__ for i in f.instructions],
             ["OFPInstructionActions", "OFPInstructionGotoTable"])
        same("mp_flow actions", [type(a).__name__ for a in f.instructions[0].actions],
             ["OFPActionPushVlan", "OFPActionSetField", "OFPActionOutput"])
        same("mp_flow set_field", f.instructions[0].actions[1].value, 0x1064)
        same("mp_flow goto", f.instructions[1].table_id, 5)


def mp_aggregate(m):
    fields("mp_aggregate", m.body, packet_count=1, byte_count=2, flow_count=3)


def mp_table(m):
    same("mp_table tables", len(m.body), 2)
    for n, t in enumerate(m.body):
        fields("mp_table", t, table_id=n, active_count=5, lookup_count=6, matched_count=7)


def mp_port_stats(m):
    fields("mp_port_stats", m.body[0], port_no=3, rx_packets=1, tx_packets=2, rx_bytes=3, tx_bytes=4, rx_dropped=5,
           tx_dropped=6, rx_errors=7, tx_errors=8, rx_frame_err=9, rx_over_err=10, rx_crc_err=11, collisions=12,
           duration_sec=13, duration_nsec=14)


def mp_port_desc(m):
    same("mp_port_desc ports", len(m.body), 2)
    for p in m.body:
        port("mp_port_desc", p)


def mp_group(m):
    same("mp_group groups", [g.length for g in m.body], [40 + 32, 40])
    fields("mp_group", m.body[0], group_id=1, ref_count=2, packet_count=3, byte_count=4, duration_sec=5, duration_nsec=6)
    same("mp_group buckets", [(b.packet_count, b.byte_count) for b in m.body[0].bucket_stats], [(11, 12), (13, 14)])
    fields("mp_group", m.body[1], group_id=ofp.OFPG_MAX, ref_count=0)


def mp_group_desc(m):
    fields("mp_group_desc", m.body[0], type=ofp.OFPGT_SELECT, group_id=1)
    first, second = m.body[0].buckets
    fields("mp_group_desc bucket", first, weight=5, watch_port=6, watch_group=7)
    same("mp_group_desc actions", [(a.type, getattr(a, "port", None)) for a in first.actions],
         [(ofp.OFPAT_PUSH_VLAN, None), (ofp.OFPAT_OUTPUT, 3)])
    fields("mp_group_desc bucket", second, weight=0, watch_port=ofp.OFPP_ANY, watch_group=ofp.OFPG_ANY)
    same("mp_group_desc group", [a.group_id for a in second.actions], [9])
    fields("mp_group_desc", m.body[1], type=ofp.OFPGT_ALL, group_id=ofp.OFPG_MAX, buckets=[])


def mp_group_features(m):
    fields("mp_group_features", m.body, types=0xF, capabilities=7, max_groups=[1, 2, 3, 4], actions=[5, 6, 7, 8])


def mp_meter(m):
    same("mp_meter meters", len(m.body), 2)
    fields("mp_meter", m.body[0], meter_id=1, flow_count=2, packet_in_count=3, byte_in_count=4, duration_sec=5,
           duration_nsec=6)
    same("mp_meter bands", [(b.packet_band_count, b.byte_band_count) for b in m.body[0].band_stats], [(7, 8), (9, 10)])
    fields("mp_meter", m.body[1], meter_id=ofp.OFPM_CONTROLLER, flow_count=0, band_stats=[])


def mp_meter_config(m):
    same("mp_meter_config meters", len(m.body), 2)
    fields("mp_meter_config", m.body[0], meter_id=1, flags=ofp.OFPMF_PKTPS | ofp.OFPMF_BURST)
    drop, remark = m.body[0].bands
    fields("mp_meter_config drop", drop, type=ofp.OFPMBT_DROP, rate=1000, burst_size=100)
    fields("mp_meter_config remark", remark, type=ofp.OFPMBT_DSCP_REMARK, rate=2000, burst_size=0, prec_level=2)
    fields("mp_meter_config", m.body[1], meter_id=3, flags=0, bands=[])


def mp_meter_features(m):
    fields("mp_meter_features", m.body[0], max_meter=100, band_types=6, capabilities=0xF, max_bands=2, max_color=1)


def mp_empty(m):
    fields("mp_empty", m, flags=0, body=[])


def mp_table_features(m):
    t = m.body[0]
    fields("mp_table_features", t, table_id=3, name=b"classifier", metadata_match=0xFF, metadata_write=0xFFFF, config=3,
           max_entries=1000)
    props = {p.type: p for p in t.properties}
    same("properties", sorted(props), [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15])
    same("instructions", [i.type for i in props[0].instruction_ids], [1, 2, 3, 4, 5])
    same("instructions_miss", [i.type for i in props[1].instruction_ids], [1, 4])
    for prop in (2, 3):
        same("next_tables", props[prop].table_ids, [4, 5, 6])
    for prop in (4, 5, 6, 7):
        same("actions", [a.type for a in props[prop].action_ids], [0, 17, 18, 25])
    onf_tcp_flags = f"field_{0xFFFF << 7 | 42}"  # os-ken names experimenters' headers by class and field only
    same("match", [(o.type, o.hasmask) for o in props[8].oxm_ids],
         [("in_port", 0), ("eth_dst", 1), ("ipv4_src", 1), (onf_tcp_flags, 1)])
    same("wildcards", [(o.type, o.hasmask) for o in props[10].oxm_ids], [("in_port", 0), ("eth_dst", 0)])
    for prop in (12, 13, 14, 15):
        same("setfield", [(o.type, o.hasmask) for o in props[prop].oxm_ids], [("eth_dst", 0), ("vlan_vid", 0)])


SPLIT = []


def mp_split(m):
    SPLIT.append(m)


def split_is_whole():
    same("split: messages", len(SPLIT) > 2, True)
    same("split: more", [m.flags for m in SPLIT], [ofp.OFPMPF_REPLY_MORE] * (len(SPLIT) - 1) + [0])
    same("split: cookies", [f.cookie for m in SPLIT for f in m.body], list(range(2000)))
    for m in SPLIT[:-1]:
        same("split: filled", m.msg_len > 65535 - 200, True)


UNSOLICITED = {packet_in, flow_removed, port_status}


def main():
    seen = set()
    for line in sys.stdin:
        name, text = line.split()
        buf = bytes.fromhex(text)
        version, msg_type, msg_len, xid = ofproto_parser.header(buf)
        same(name + " length", msg_len, len(buf))
        check = globals()[name]
        same(name + " xid", xid, 0 if check in UNSOLICITED else XID)
        if name == "hello":
            msg = parser.OFPHello.parser(DP, version, msg_type, msg_len, xid, buf)
        else:
            same(name + " version", version, ofp.OFP_VERSION)
            msg = ofproto_parser.msg(DP, version, msg_type, msg_len, xid, buf)
        check(msg)
        seen.add(name)
    split_is_whole()
    same("messages seen", len(seen), 33)


if __name__ == "__main__":
    main()
