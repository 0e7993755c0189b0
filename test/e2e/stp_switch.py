# SPDX-License-Identifier: GPL-2.0-only
"""For test_ports.py: a learning switch with os-ken's spanning tree (os_ken.lib.stplib), as Ryu's simple_switch_stp_13.

Prints `state DPID PORT STATE` for each change of a port's state.
"""
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import mac, stplib
from os_ken.ofproto import ofproto_v1_3

STATES = ('DISABLE', 'BLOCK', 'LISTEN', 'LEARN', 'FORWARD')
TIMES = {'max_age': 6, 'hello_time': 1, 'fwd_delay': 4}  # seconds, the shortest that 802.1D knows


class StpSwitch(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]
    _CONTEXTS = {'stplib': stplib.Stp}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.port_of = {}  # datapath id → {address: port}
        kwargs['stplib'].set_config({dpid: {'bridge': dict(TIMES, priority=0x8000 + (dpid - 1) * 0x1000)} for dpid in (1, 2, 3)})

    @staticmethod
    def add_flow(dp, priority, match, actions):
        apply = dp.ofproto_parser.OFPInstructionActions(dp.ofproto.OFPIT_APPLY_ACTIONS, actions)
        dp.send_msg(dp.ofproto_parser.OFPFlowMod(dp, priority=priority, match=match, instructions=[apply]))

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def connected(self, ev):
        dp = ev.msg.datapath
        self.add_flow(dp, 0, dp.ofproto_parser.OFPMatch(), [dp.ofproto_parser.OFPActionOutput(dp.ofproto.OFPP_CONTROLLER, 0xffff)])

    @set_ev_cls(stplib.EventPacketIn, MAIN_DISPATCHER)
    def packet_in(self, ev):
        msg, dp = ev.msg, ev.msg.datapath
        of, parser, in_port = dp.ofproto, dp.ofproto_parser, msg.match['in_port']
        known = self.port_of.setdefault(dp.id, {})
        known[mac.haddr_to_str(msg.data[6:12])] = in_port
        dst = mac.haddr_to_str(msg.data[:6])
        actions = [parser.OFPActionOutput(known.get(dst, of.OFPP_FLOOD))]
        if dst in known:
            self.add_flow(dp, 1, parser.OFPMatch(in_port=in_port, eth_dst=dst), actions)
        dp.send_msg(parser.OFPPacketOut(dp, of.OFP_NO_BUFFER, in_port, actions, msg.data))

    @set_ev_cls(stplib.EventTopologyChange, MAIN_DISPATCHER)
    def changed(self, ev):
        dp = ev.dp
        for dst in self.port_of.pop(dp.id, {}):
            dp.send_msg(dp.ofproto_parser.OFPFlowMod(dp, command=dp.ofproto.OFPFC_DELETE, out_port=dp.ofproto.OFPP_ANY,
                                                     out_group=dp.ofproto.OFPG_ANY, priority=1,
                                                     match=dp.ofproto_parser.OFPMatch(eth_dst=dst)))

    @set_ev_cls(stplib.EventPortStateChange, MAIN_DISPATCHER)
    def state(self, ev):
        print('state %d %d %s' % (ev.dp.id, ev.port_no, STATES[ev.port_state]), flush=True)
