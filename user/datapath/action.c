/* SPDX-License-Identifier: GPL-2.0-only */
/* of_actions → ops of include/ofxdp/action.h. */
#include <assert.h>
#include <string.h>
#include "include/ofxdp/action.h"
#include "include/ofxdp/key.h"
#include "include/ofxdp/loop.h"
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
	bool retyped; /* a set-field has changed what the headers are taken for, and nothing has looked at them since */
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

/* The headers of which a packet must have one, or a set-field of the field does nothing; 0: every packet has it. */
static uint16_t needed_shape(unsigned int field)
{
	static const uint16_t of_prereq[] = {
		[OFX_PRE_VLAN] = OFX_SHAPE_VLAN,     [OFX_PRE_IP] = OFX_SHAPE_IP,
		[OFX_PRE_IPV4] = OFX_SHAPE_IPV4,     [OFX_PRE_IPV6] = OFX_SHAPE_IPV6,
		[OFX_PRE_ARP] = OFX_SHAPE_ARP,	     [OFX_PRE_MPLS] = OFX_SHAPE_MPLS,
		[OFX_PRE_PBB] = OFX_SHAPE_PBB,	     [OFX_PRE_TCP] = OFX_SHAPE_TCP,
		[OFX_PRE_UDP] = OFX_SHAPE_UDP,	     [OFX_PRE_SCTP] = OFX_SHAPE_SCTP,
		[OFX_PRE_ICMPV4] = OFX_SHAPE_ICMPV4, [OFX_PRE_ICMPV6] = OFX_SHAPE_ICMPV6,
		[OFX_PRE_ND] = OFX_SHAPE_ND,	     [OFX_PRE_ND_SOL] = OFX_SHAPE_ND_SLL,
		[OFX_PRE_ND_ADV] = OFX_SHAPE_ND_TLL,
	};

	return field == OFX_F_VLAN_VID ? OFX_SHAPE_VLAN : of_prereq[of_fields[field].prereq];
}

static unsigned int first_word(unsigned int field)
{
	return of_fields[field].offset / 8;
}

static unsigned int last_word(unsigned int field)
{
	return (of_fields[field].offset + of_fields[field].bytes - 1u) / 8;
}

/* A field before this one that has its word and header, or the field itself. */
static unsigned int field_beside(unsigned int field)
{
	unsigned int f = 0;

	while (f < field && (!(of_fields[f].flags & OFX_FF_SET) || first_word(f) != first_word(field) ||
			     needed_shape(f) != needed_shape(field)))
		f++;
	return f;
}

/* Where in an action set the field's first word is; the next words follow.  Made at the first call. */
static uint32_t set_place(unsigned int field)
{
	static uint8_t place[OFX_N_FIELDS];
	static uint32_t n;

	for (unsigned int f = n ? OFX_N_FIELDS : 0; f < OFX_N_FIELDS; f++) {
		unsigned int beside = field_beside(f);

		if (!(of_fields[f].flags & OFX_FF_SET))
			continue;
		place[f] = beside == f ? n : place[beside];
		n += beside == f ? 1 + last_word(f) - first_word(f) : 0;
	}
	assert(n == OFX_SET_FIELDS);
	return place[field];
}

/* One word of a set-field; joins the op before it if that writes the same word of the same header. */
static int compile_set_word(struct op_list *list, struct ofx_op op)
{
	struct ofx_op *last = list->n > list->begin ? &list->ops[list->n - 1] : NULL;

	if (last && last->code == OFX_OP_SET && last->arg == op.arg) {
		last->value = (last->value & ~op.mask) | op.value;
		last->mask |= op.mask;
		return 0;
	}
	return op_add(list, op);
}

static int compile_set_words(struct op_list *list, unsigned int field, const struct ofx_key *value,
			     const struct ofx_key *mask)
{
	int err = 0;

	for (unsigned int w = first_word(field); w <= last_word(field) && !err; w++)
		if (mask->w[w])
			err = compile_set_word(list, (struct ofx_op){.code = OFX_OP_SET,
								     .a = w,
								     .b = needed_shape(field),
								     .arg = set_place(field) + w - first_word(field),
								     .value = value->w[w] & mask->w[w],
								     .mask = mask->w[w]});
	return err;
}

bool action_changes_type(const struct of_action *a)
{
	return a->type == OF_ACT_SET_FIELD &&
	       (a->set.field == OFX_F_ETH_TYPE || a->set.field == OFX_F_IP_PROTO || a->set.field == OFX_F_ICMPV6_TYPE);
}

/* What follows such a set-field in the list meets the headers as their types then say (§5.11). */
static int compile_new_types(struct op_list *list, const struct of_action *a)
{
	if (!list->retyped || a->type == OF_ACT_OUTPUT || a->type == OF_ACT_SET_QUEUE)
		return 0;
	list->retyped = false;
	return op_add(list, (struct ofx_op){.code = OFX_OP_PARSE});
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
	list->retyped = action_changes_type(a);
	return compile_set_words(list, a->set.field, &value, &mask);
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
		int err = compile_new_types(&list, &actions->v[i]);

		if (!err)
			err = compile_action(&list, &actions->v[i], reason, packet_out);
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
