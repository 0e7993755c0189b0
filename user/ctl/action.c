/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/ctl/action.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include "include/ofxdp/port.h"

struct text {
	char *at;
	size_t size, len;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *format, ...)
{
	va_list args;

	if (t->len >= t->size)
		return;
	va_start(args, format);
	t->len += vsnprintf(t->at + t->len, t->size - t->len, format, args);
	va_end(args);
}

static void add_port(struct text *t, uint32_t index)
{
	if (index == OFX_INDEX_LOCAL)
		add(t, "output LOCAL");
	else
		add(t, "output %" PRIu32, index);
}

static void add_op(struct text *t, const struct ofx_op *op, const uint32_t *group_ids)
{
	static const char *const plain[OFX_N_OPS] = {
		[OFX_OP_IN_PORT] = "output IN_PORT",
		[OFX_OP_FLOOD] = "output ALL",
		[OFX_OP_CONTROLLER] = "output CONTROLLER",
		[OFX_OP_POP_VLAN] = "pop_vlan",
		[OFX_OP_DEC_IP_TTL] = "dec_nw_ttl",
		[OFX_OP_DEC_MPLS_TTL] = "dec_mpls_ttl",
		[OFX_OP_COPY_TTL_OUT] = "copy_ttl_out",
		[OFX_OP_COPY_TTL_IN] = "copy_ttl_in",
		[OFX_OP_PUSH_PBB] = "push_pbb",
		[OFX_OP_POP_PBB] = "pop_pbb",
		[OFX_OP_PARSE] = "parse",
	};

	switch (op->code) {
	case OFX_OP_SET:
		add(t, "set w%u:%016" PRIx64 "/%016" PRIx64, op->a, (uint64_t)op->value, (uint64_t)op->mask);
		break;
	case OFX_OP_OUTPUT:
		add_port(t, op->arg);
		break;
	case OFX_OP_GROUP:
		add(t, "group %" PRIu32, op->arg < OFX_GROUPS ? group_ids[op->arg] : op->arg);
		break;
	case OFX_OP_PUSH_VLAN:
		add(t, "push_vlan 0x%04x", op->b);
		break;
	case OFX_OP_PUSH_MPLS:
		add(t, "push_mpls 0x%04x", op->b);
		break;
	case OFX_OP_POP_MPLS:
		add(t, "pop_mpls 0x%04x", op->b);
		break;
	case OFX_OP_SET_IP_TTL:
		add(t, "set_nw_ttl %u", op->a);
		break;
	case OFX_OP_SET_MPLS_TTL:
		add(t, "set_mpls_ttl %u", op->a);
		break;
	default:
		if (op->code < OFX_N_OPS && plain[op->code])
			add(t, "%s", plain[op->code]);
		else
			add(t, "op %u", op->code);
	}
}

void action_text(const struct ofx_op *ops, size_t n, const uint32_t *group_ids, char *text, size_t size)
{
	struct text t = {text, size, 0};

	add(&t, n ? "" : "drop");
	for (size_t i = 0; i < n; i++) {
		add(&t, i ? ", " : "");
		add_op(&t, &ops[i], group_ids);
	}
}
