/* SPDX-License-Identifier: GPL-2.0-only */
/* OFPT_FLOW_MOD (§7.3.4.1) */
#include "user/openflow/codec.h"

#define KNOWN_FLAGS                                                                                                    \
	(OFPFF_SEND_FLOW_REM | OFPFF_CHECK_OVERLAP | OFPFF_RESET_COUNTS | OFPFF_NO_PKT_COUNTS | OFPFF_NO_BYT_COUNTS)

static void fixed_part(struct wire *w, struct of_flow_mod *f)
{
	f->cookie = wire_be64(w);
	f->cookie_mask = wire_be64(w);
	f->table = wire_u8(w);
	f->command = wire_u8(w);
	f->idle_timeout = wire_be16(w);
	f->hard_timeout = wire_be16(w);
	f->priority = wire_be16(w);
	f->buffer_id = wire_be32(w);
	f->out_port = wire_be32(w);
	f->out_group = wire_be32(w);
	f->flags = wire_be16(w);
	wire_skip(w, 2);
}

int of_flow_mod_decode(struct wire *w, struct of_msg *msg)
{
	struct of_flow_mod *f = &msg->flow_mod;
	int error;

	fixed_part(w, f);
	if (w->error || wire_left(w) < 8)
		return OF_BAD_LEN;
	if (f->command > OFPFC_DELETE_STRICT)
		return OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_COMMAND);
	if (f->flags & ~KNOWN_FLAGS)
		return OF_ERROR(OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_FLAGS);
	error = of_match_decode(w, msg->version, &f->match);
	if (error)
		return error;
	if (f->command == OFPFC_DELETE || f->command == OFPFC_DELETE_STRICT) {
		/* Instructions mean nothing here, whatever they are. */
		if (wire_left(w) % 8)
			return OF_BAD_LEN;
		wire_skip(w, wire_left(w));
		return 0;
	}
	return of_instructions_decode(w, wire_left(w), msg->version, &f->inst);
}
