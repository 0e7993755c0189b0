# SPDX-License-Identifier: GPL-2.0-only
"""A learning switch: where an address was seen is where its frames go.  OpenFlow 1.3, on os-ken.

    osken-manager scripts/learning_switch.py        (listens on TCP 6653)

A frame to an address not seen yet, or to all, is flooded; the first frame to a known address installs a flow.
"""
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import mac
from os_ken.ofproto import ofproto_v1_3

IDLE_TIMEOUT = 60  # seconds


class LearningSwitch(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.port_of = {}  # (datapath id, address) -> port
        self.packet_ins = 0

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def connected(self, ev):
        dp = ev.msg.datapath
        self.logger.info('switch %016x connected', dp.id)
        to_us = dp.ofproto_parser.OFPActionOutput(dp.ofproto.OFPP_CONTROLLER, dp.ofproto.OFPCML_NO_BUFFER)
        self.add_flow(dp, 0, dp.ofproto_parser.OFPMatch(), [to_us], 0)

    @staticmethod
    def add_flow(dp, priority, match, actions, idle_timeout):
        apply = dp.ofproto_parser.OFPInstructionActions(dp.ofproto.OFPIT_APPLY_ACTIONS, actions)
        dp.send_msg(dp.ofproto_parser.OFPFlowMod(dp, priority=priority, match=match, instructions=[apply],
                                                 idle_timeout=idle_timeout))

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, ev):
        msg, dp = ev.msg, ev.msg.datapath
        of, parser, in_port = dp.ofproto, dp.ofproto_parser, msg.match['in_port']
        dst, src = mac.haddr_to_str(msg.data[0:6]), mac.haddr_to_str(msg.data[6:12])
        self.packet_ins += 1
        self.port_of[dp.id, src] = in_port
        out = self.port_of.get((dp.id, dst), of.OFPP_FLOOD)
        self.logger.info('packet-in %d: %s > %s from port %d, to %s', self.packet_ins, src, dst, in_port,
                         'all others' if out == of.OFPP_FLOOD else 'port %d' % out)
        actions = [parser.OFPActionOutput(out)]
        if out != of.OFPP_FLOOD:
            match = parser.OFPMatch(in_port=in_port, eth_src=src, eth_dst=dst)
            self.add_flow(dp, 1, match, actions, IDLE_TIMEOUT)
        dp.send_msg(parser.OFPPacketOut(dp, of.OFP_NO_BUFFER, in_port, actions, msg.data))
