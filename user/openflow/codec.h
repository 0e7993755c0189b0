/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the codec know of each other.  One message = one file.  A decoder gets a cursor over the message's
 * body (behind the 8 bytes of header) and fills its part of *msg; the caller checks that nothing is left over.  It
 * returns 0 or a positive OpenFlow error; then too *msg may own something already: the dispatcher frees it.
 */
#ifndef OPENFLOW_CODEC_H
#define OPENFLOW_CODEC_H

#include "include/openflow/openflow.h"
#include "user/openflow/msg.h"

#define OF_BAD_LEN OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN)

#define OF_NO_MEMORY OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_EPERM) /* of ours: 1.3 has no number that is nearer */

typedef int of_decoder(struct wire *w, struct of_msg *msg);

of_decoder of_hello_decode, of_error_decode, of_echo_decode, of_experimenter_decode;
of_decoder of_config_decode, of_packet_out_decode, of_flow_mod_decode, of_group_mod_decode, of_port_mod_decode;
of_decoder of_table_mod_decode, of_multipart_decode, of_queue_config_decode, of_role_decode, of_async_decode;
of_decoder of_meter_mod_decode;

/* Parts that own memory. */
void of_group_mod_free(struct of_group_mod *g);
void of_meter_mod_free(struct of_meter_mod *m);

/* Flow and aggregate statistics request (flow_stats.c). */
int of_flow_stats_request_decode(struct wire *w, uint8_t version, struct of_flow_stats_request *r);

/* The header of a message, its length left open; returns where the message starts.  End with of_out_end(). */
size_t of_out_begin(struct of_out *o, uint8_t type, uint32_t xid);
void of_out_end(struct of_out *o, size_t start);

/* One entry of a multipart reply: begin, write to mp->out->buf, end. */
size_t of_entry_begin(struct of_multipart *mp);
void of_entry_end(struct of_multipart *mp, size_t entry);

/* struct ofp_port */
void of_put_port(struct buf *b, const struct of_port *p);

/*
 * OXM TLV headers (§7.2.3.2): class, field, hasmask, length, and the experimenter id if the class has one.
 * of_oxm_get: `*field` is an enum ofx_field; false: no field we know, *len bytes of payload not skipped.
 */
#define OF_ONF_EXPERIMENTER 0x4f4e4600u /* EXT-109: tcp_flags in 1.3 */
bool of_oxm_get(struct wire *w, uint8_t version, int *field, bool *has_mask, size_t *len);
void of_oxm_put(struct buf *b, uint8_t version, enum ofx_field field, bool has_mask);
/* A payload within the field's significant bits? */
bool of_oxm_in_range(enum ofx_field field, const uint8_t *value);

/* Zero-terminated, cut to fit, the rest zero. */
void of_put_text(struct buf *b, const char *text, size_t size);

#endif
