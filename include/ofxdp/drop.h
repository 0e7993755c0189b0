/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a packet, or one copy of it, went no further.  Counted per reason in map `drops`; `ofxdpctl NAME drops` prints
 * name and text.  X(ID, name, text)
 */
#ifndef OFXDP_DROP_H
#define OFXDP_DROP_H

/* clang-format off: a table */
#define OFX_DROPS(X)                                                                                                   \
	X(NO_MATCH, no_match, "no flow matched in a table without a table-miss entry")                                 \
	X(NO_OUTPUT, no_output, "the matched flows have no output action")                                             \
	X(OUTPUT_IN_PORT, output_in_port, "output to the port the packet came from, without IN_PORT")                  \
	X(OUTPUT_NO_PORT, output_no_port, "output to a port that does not exist")                                      \
	X(OUTPUT_NO_FWD, output_no_fwd, "output to a port that is configured down or NO_FWD")                          \
	X(OUTPUT_MTU, output_mtu, "frame longer than the output port's MTU")                                           \
	X(PORT_UNKNOWN, port_unknown, "received on an interface that has no port number yet")                          \
	X(PORT_NO_RECV, port_no_recv, "received on a port that is configured down or NO_RECV")                         \
	X(NO_PACKET_IN, no_packet_in, "packet-in of a table miss suppressed by the port's NO_PACKET_IN")               \
	X(METER, meter, "over the rate of a meter's drop band")                                                        \
	X(TTL_INVALID, ttl_invalid, "IP TTL ran out and invalid-TTL packet-ins are off")                               \
	X(FRAGMENT, fragment, "IP fragment while the switch is configured to drop fragments")                          \
	X(TRUNCATED, truncated, "frame shorter than an Ethernet header")                                               \
	X(ACTION_FAILED, action_failed,                                                                                \
	  "an action cannot be done to the packet (no room to grow, a label onto 802.3)")                              \
	X(TOO_MANY_OPS, too_many_ops, "more actions than one packet may carry")                                        \
	X(TOO_MANY_TABLES, too_many_tables, "more tables visited than there are")                                      \
	X(TOO_MANY_ROUNDS, too_many_rounds, "more copies than one packet may make")                                    \
	X(CONT_LOST, cont_lost, "a copy's continuation was overwritten before its turn")                               \
	X(BAD_INJECT, bad_inject, "frame on an internal interface without a valid header")                             \
	X(PUNT_NO_DAEMON, punt_no_daemon, "packet-in while no daemon is listening")                                    \
	X(PUNT_FULL, punt_full, "packet-in while the daemon's ring is full")                                           \
	X(PUNT_QUEUE, punt_queue, "packet-in discarded in the daemon: no connection takes it, or its queue is full")   \
	X(REDIRECT_ERR, redirect_err, "the kernel refused a redirect (port gone, link down, frame too long)")          \
	X(TX_DROP, tx_drop, "the output interface did not take the frame (ring full, link down)")                      \
	X(EXCEPTION, exception, "the driver reported an XDP exception")                                                \
	X(INTERNAL, internal, "a map lookup that cannot fail failed")                                                  \
	X(NO_CPU, no_cpu, "a CPU without counters of its own waited too long for those that it shares")                \
	X(NO_GROUP, no_group, "sent to a group that has just been deleted")                                            \
	X(NO_BUCKET, no_bucket, "sent to a group that has no live bucket")                                             \
	X(TOO_LONG, too_long,                                                                                          \
	  "too long for the internal interfaces: packet-in, more than one copy, port in generic mode")                 \
	X(PACKET_OUT_LOST, packet_out_lost, "packet-out that did not reach the pipeline (ring of NAME-c0 full)")
/* clang-format on */

#define OFX_DROP_ENUM(ID, NAME, TEXT) OFX_DROP_##ID,
enum ofx_drop { OFX_DROPS(OFX_DROP_ENUM) OFX_N_DROPS };
#undef OFX_DROP_ENUM

#endif
