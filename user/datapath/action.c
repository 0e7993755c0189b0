/* SPDX-License-Identifier: GPL-2.0-only */
/* of_actions → ops of include/ofxdp/action.h. */
#include <string.h>
#include "include/ofxdp/action.h"
#include "include/ofxdp/key.h"
#include "include/ofxdp/port.h"
#include "include/ofxdp/queue.h"
#include "include/openflow/openflow.h"
#include "user/datapath/group.h"
#include "user/datapath/internal.h"
#include "user/datapath/queue.h"
#include "user/openflow/error.h"

#define BAD_ACTION(code) OF_ERROR(OFPET_BAD_ACTION, OFPBAC_##code)

/* Where ops go. */
struct op_list {
	struct ofx_op *ops;
	size_t n, max;
	size_t begin; /* ops before it belong to another list: never merged with */
};

static int op_add(struct op_list *list, struct ofx_op op)
{
	if (list->n >= list->max)
		return BAD_ACTION(TOO_MANY);
	list->ops[list->n++] = op;
	return 0;
}

static int compile_output(struct op_list *list, uint32_t port, uint16_t max_len, uint8_t reason, bool packet_out)
{
	uint32_t index = ofx_port_index(port);

	switch (port) {
	case OFPP_IN_PORT:
		return op_add(list, (struct ofx_op){.code = OFX_OP_IN_PORT});
	case OFPP_ALL:
	case OFPP_FLOOD:
		return op_add(list, (struct ofx_op){.code = OFX_OP_FLOOD});
	case OFPP_CONTROLLER:
		return op_add(list, (struct ofx_op){.code = OFX_OP_CONTROLLER, .a = reason, .b = max_len});
	case OFPP_TABLE:
		if (!packet_out)
			return BAD_ACTION(BAD_OUT_PORT);
		return op_add(list, (struct ofx_op){.code = OFX_OP_TABLE});
	}
	if (index == OFX_INDEX_NONE)
		return BAD_ACTION(BAD_OUT_PORT);
	return op_add(list, (struct ofx_op){.code = OFX_OP_OUTPUT, .arg = index});
}

/*
 * The header a set-field of this word is for, where headers share the word: a pop in between may have brought another
 * one to light, which the op must not write into.
 */
static uint16_t needed_shape(unsigned int word, uint8_t prereq)
{
	if (word < OFX_W_SHARED || word >= OFX_W_SHARED + OFX_SHARED_WORDS)
		return 0;
	switch (prereq) {
	case OFX_PRE_IPV4:
		return OFX_SHAPE_IPV4;
	case OFX_PRE_IPV6:
		return OFX_SHAPE_IPV6;
	case OFX_PRE_ARP:
		return OFX_SHAPE_ARP;
	case OFX_PRE_MPLS:
		return OFX_SHAPE_MPLS;
	case OFX_PRE_PBB:
		return OFX_SHAPE_PBB;
	}
	return 0;
}

/* One word of a set-field; joins the op before it if that writes the same word of the same header. */
static int compile_set_word(struct op_list *list, uint8_t word, uint16_t need, uint64_t value, uint64_t mask)
{
	struct ofx_op *last = list->n > list->begin ? &list->ops[list->n - 1] : NULL;

	if (last && last->code == OFX_OP_SET && last->a == word && last->b == need) {
		last->value = (last->value & ~mask) | (value & mask);
		last->mask |= mask;
		return 0;
	}
	return op_add(list,
		      (struct ofx_op){.code = OFX_OP_SET, .a = word, .b = need, .value = value & mask, .mask = mask});
}

static int compile_set_field(struct op_list *list, const struct of_action *a)
{
	const struct of_field_info *f = &of_fields[a->set.field < OFX_N_FIELDS ? a->set.field : 0];
	struct ofx_key value = {0}, mask = {0};

	if (a->set.field >= OFX_N_FIELDS || !(f->flags & OFX_FF_SET))
		return BAD_ACTION(BAD_SET_TYPE);
	for (unsigned int i = 0; i < f->bytes; i++) {
		/* significant bits are right-aligned in the payload */
		unsigned int bits_after = 8 * (f->bytes - 1 - i);
		unsigned int left = f->bits > bits_after ? f->bits - bits_after : 0;

		mask.b[f->offset + i] = left >= 8 ? 0xff : (1u << left) - 1;
		if (a->set.has_mask)
			mask.b[f->offset + i] &= a->set.mask[i];
		value.b[f->offset + i] = a->set.value[i];
	}
	for (unsigned int w = f->offset / 8; w <= (f->offset + f->bytes - 1u) / 8; w++) {
		int err = mask.w[w] ? compile_set_word(list, w, needed_shape(w, f->prereq), value.w[w], mask.w[w]) : 0;

		if (err)
			return err;
	}
	return 0;
}

static int compile_push_vlan(struct op_list *list, uint16_t ethertype)
{
	if (ethertype != 0x8100 && ethertype != 0x88a8)
		return BAD_ACTION(BAD_ARGUMENT);
	return op_add(list, (struct ofx_op){.code = OFX_OP_PUSH_VLAN, .b = ethertype});
}

static int compile_push_mpls(struct op_list *list, uint16_t ethertype)
{
	if (ethertype != 0x8847 && ethertype != 0x8848)
		return BAD_ACTION(BAD_ARGUMENT);
	return op_add(list, (struct ofx_op){.code = OFX_OP_PUSH_MPLS, .b = ethertype});
}

static int compile_push_pbb(struct op_list *list, uint16_t ethertype)
{
	if (ethertype != 0x88e7)
		return BAD_ACTION(BAD_ARGUMENT);
	return op_add(list, (struct ofx_op){.code = OFX_OP_PUSH_PBB});
}

static int compile_action(struct op_list *list, const struct of_action *a, uint8_t reason, bool packet_out)
{
	switch (a->type) {
	case OF_ACT_OUTPUT:
		return compile_output(list, a->output.port, a->output.max_len, reason, packet_out);
	case OF_ACT_PUSH_VLAN:
		return compile_push_vlan(list, a->ethertype);
	case OF_ACT_POP_VLAN:
		return op_add(list, (struct ofx_op){.code = OFX_OP_POP_VLAN});
	case OF_ACT_PUSH_MPLS:
		return compile_push_mpls(list, a->ethertype);
	case OF_ACT_POP_MPLS:
		return op_add(list, (struct ofx_op){.code = OFX_OP_POP_MPLS, .b = a->ethertype});
	case OF_ACT_COPY_TTL_OUT:
		return op_add(list, (struct ofx_op){.code = OFX_OP_COPY_TTL_OUT});
	case OF_ACT_COPY_TTL_IN:
		return op_add(list, (struct ofx_op){.code = OFX_OP_COPY_TTL_IN});
	case OF_ACT_PUSH_PBB:
		return compile_push_pbb(list, a->ethertype);
	case OF_ACT_POP_PBB:
		return op_add(list, (struct ofx_op){.code = OFX_OP_POP_PBB});
	case OF_ACT_SET_MPLS_TTL:
		return op_add(list, (struct ofx_op){.code = OFX_OP_SET_MPLS_TTL, .a = a->ttl});
	case OF_ACT_DEC_MPLS_TTL:
		return op_add(list, (struct ofx_op){.code = OFX_OP_DEC_MPLS_TTL});
	case OF_ACT_SET_NW_TTL:
		return op_add(list, (struct ofx_op){.code = OFX_OP_SET_IP_TTL, .a = a->ttl});
	case OF_ACT_DEC_NW_TTL:
		return op_add(list, (struct ofx_op){.code = OFX_OP_DEC_IP_TTL});
	case OF_ACT_SET_FIELD:
		return compile_set_field(list, a);
	case OF_ACT_SET_QUEUE:
		if (!a->queue || a->queue > OFX_QUEUE_MAX)
			return BAD_ACTION(BAD_QUEUE);
		return op_add(list, (struct ofx_op){.code = OFX_OP_SET_QUEUE, .arg = a->queue});
	case OF_ACT_GROUP:
		return op_add(list, (struct ofx_op){.code = OFX_OP_GROUP, .arg = a->group});
	case OF_ACT_EXPERIMENTER:
		return BAD_ACTION(BAD_EXPERIMENTER);
	}
	return BAD_ACTION(BAD_TYPE);
}

int action_compile(const struct of_actions *actions, uint8_t reason, bool packet_out, struct ofx_op *ops, size_t *n,
		   size_t max)
{
	struct op_list list = {.ops = ops, .n = *n, .max = max, .begin = *n};

	for (size_t i = 0; i < actions->n; i++) {
		int err = compile_action(&list, &actions->v[i], reason, packet_out);

		if (err)
			return err;
	}
	*n = list.n;
	return 0;
}

int dp_check_actions(struct dp *dp, const struct of_actions *actions, bool packet_out)
{
	struct ofx_op ops[OFX_INJECT_OPS > OFX_FLOW_OPS ? OFX_INJECT_OPS : OFX_FLOW_OPS];
	size_t n = 0;
	int err = action_compile(actions, 0, packet_out, ops, &n, packet_out ? OFX_INJECT_OPS : OFX_FLOW_OPS);

	if (!err)
		err = groups_resolve(dp, ops, n);
	return err ? err : queues_check(dp, ops, n);
}
