/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages and their parts as text, for logs. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include "user/openflow/codec.h"
#include "user/util/cleanup.h"

/* Text being written; what does not fit is cut. */
struct text {
	char *at;
	size_t left;
};

static struct text text_of(char *text, size_t size)
{
	if (size)
		*text = '\0';
	return (struct text){text, size};
}

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at, t->left, format, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= t->left)
		n = t->left ? t->left - 1 : 0;
	t->at += n;
	t->left -= n;
}

static void put_port(struct text *t, uint32_t port)
{
	static const char *const reserved[] = {"IN_PORT", "TABLE",	"NORMAL", "FLOOD",
					       "ALL",	  "CONTROLLER", "LOCAL",  "ANY"};

	if (port >= OFPP_IN_PORT)
		put(t, "%s", reserved[port - OFPP_IN_PORT]);
	else
		put(t, "%" PRIu32, port);
}

static uint64_t number(const uint8_t *v, size_t bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | *v++;
	return n;
}

static bool is_ipv4(enum ofx_field f)
{
	return f == OFX_F_IPV4_SRC || f == OFX_F_IPV4_DST || f == OFX_F_ARP_SPA || f == OFX_F_ARP_TPA;
}

static void put_value(struct text *t, enum ofx_field f, const uint8_t *v)
{
	char address[INET6_ADDRSTRLEN];
	const struct of_field_info *info = &of_fields[f];

	if (info->bytes == 16)
		put(t, "%s", inet_ntop(AF_INET6, v, address, sizeof(address)));
	else if (is_ipv4(f))
		put(t, "%s", inet_ntop(AF_INET, v, address, sizeof(address)));
	else if (info->bytes == 6)
		put(t, "%02x:%02x:%02x:%02x:%02x:%02x", v[0], v[1], v[2], v[3], v[4], v[5]);
	else if (f == OFX_F_IN_PORT || f == OFX_F_IN_PHY_PORT || f == OFX_F_ACTSET_OUTPUT)
		put_port(t, number(v, info->bytes));
	else if (f == OFX_F_ETH_TYPE || f == OFX_F_VLAN_VID || (info->flags & OFX_FF_MASK))
		put(t, "0x%" PRIx64, number(v, info->bytes));
	else
		put(t, "%" PRIu64, number(v, info->bytes));
}

static void put_match(struct text *t, const struct of_match *m)
{
	const char *between = "";

	for (int f = 0; f < OFX_N_FIELDS; f++) {
		if (!of_match_has(m, f))
			continue;
		put(t, "%s%s=", between, of_fields[f].name);
		put_value(t, f, m->value.b + of_fields[f].offset);
		if (m->masked >> f & 1) {
			put(t, "/");
			put_value(t, f, m->mask.b + of_fields[f].offset);
		}
		between = ",";
	}
}

static void put_action(struct text *t, const struct of_action *a)
{
	static const char *const names[] = {
		[OF_ACT_OUTPUT] = "output",
		[OF_ACT_COPY_TTL_OUT] = "copy_ttl_out",
		[OF_ACT_COPY_TTL_IN] = "copy_ttl_in",
		[OF_ACT_SET_MPLS_TTL] = "set_mpls_ttl",
		[OF_ACT_DEC_MPLS_TTL] = "dec_mpls_ttl",
		[OF_ACT_PUSH_VLAN] = "push_vlan",
		[OF_ACT_POP_VLAN] = "pop_vlan",
		[OF_ACT_PUSH_MPLS] = "push_mpls",
		[OF_ACT_POP_MPLS] = "pop_mpls",
		[OF_ACT_SET_QUEUE] = "set_queue",
		[OF_ACT_GROUP] = "group",
		[OF_ACT_SET_NW_TTL] = "set_nw_ttl",
		[OF_ACT_DEC_NW_TTL] = "dec_nw_ttl",
		[OF_ACT_SET_FIELD] = "set_field",
		[OF_ACT_PUSH_PBB] = "push_pbb",
		[OF_ACT_POP_PBB] = "pop_pbb",
	};

	if (a->type >= ARRAY_LEN(names) || !names[a->type]) {
		put(t, "action_%u", a->type);
		return;
	}
	put(t, "%s", names[a->type]);
	if (a->type == OF_ACT_OUTPUT) {
		put(t, ":");
		put_port(t, a->output.port);
	} else if (a->type == OF_ACT_SET_FIELD) {
		put(t, ":%s=", of_fields[a->set.field].name);
		put_value(t, a->set.field, a->set.value);
	} else if (a->type == OF_ACT_PUSH_VLAN || a->type == OF_ACT_PUSH_MPLS || a->type == OF_ACT_POP_MPLS ||
		   a->type == OF_ACT_PUSH_PBB) {
		put(t, ":0x%04x", a->ethertype);
	} else if (a->type == OF_ACT_SET_QUEUE || a->type == OF_ACT_GROUP) {
		put(t, ":%" PRIu32, a->type == OF_ACT_GROUP ? a->group : a->queue);
	} else if (a->type == OF_ACT_SET_MPLS_TTL || a->type == OF_ACT_SET_NW_TTL) {
		put(t, ":%u", a->ttl);
	}
}

static void put_actions(struct text *t, const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++) {
		put(t, "%s", i ? "," : "");
		put_action(t, &actions->v[i]);
	}
}

static void put_list(struct text *t, const char *name, const struct of_actions *actions)
{
	put(t, " %s(", name);
	put_actions(t, actions);
	put(t, ")");
}

/* In the order of their execution, each behind a space. */
static void put_instructions(struct text *t, const struct of_instructions *inst)
{
	if (inst->present & OF_INST_METER)
		put(t, " meter:%" PRIu32, inst->meter);
	if (inst->present & OF_INST_APPLY)
		put_list(t, "apply", &inst->apply);
	if (inst->present & OF_INST_CLEAR)
		put(t, " clear");
	if (inst->present & OF_INST_WRITE)
		put_list(t, "write", &inst->write);
	if (inst->present & OF_INST_METADATA)
		put(t, " metadata:0x%" PRIx64 "/0x%" PRIx64, inst->metadata, inst->metadata_mask);
	if (inst->present & OF_INST_GOTO)
		put(t, " goto:%u", inst->goto_table);
}

static void put_flow_mod(struct text *t, const struct of_flow_mod *f)
{
	static const char *const commands[] = {"add", "modify", "modify_strict", "delete", "delete_strict"};

	put(t, " %s table %u priority %u cookie 0x%" PRIx64 "/0x%" PRIx64 " idle %u hard %u flags 0x%x [",
	    f->command < ARRAY_LEN(commands) ? commands[f->command] : "?", f->table, f->priority, f->cookie,
	    f->cookie_mask, f->idle_timeout, f->hard_timeout, f->flags);
	put_match(t, &f->match);
	put(t, "]");
	put_instructions(t, &f->inst);
}

static void put_packet_out(struct text *t, const struct of_packet_out *p)
{
	put(t, " in_port ");
	put_port(t, p->in_port);
	if (p->buffer_id != OF_NO_BUFFER)
		put(t, " buffer 0x%" PRIx32, p->buffer_id);
	put(t, " %zu bytes", p->data_len);
	put_list(t, "actions", &p->actions);
}

static void put_group_mod(struct text *t, const struct of_group_mod *g)
{
	put(t, " command %u type %u group %" PRIu32, g->command, g->type, g->group);
	for (size_t i = 0; i < g->n_buckets; i++) {
		const struct of_bucket *b = &g->buckets[i];

		put(t, " bucket(weight %u watch ", b->weight);
		put_port(t, b->watch_port);
		put(t, "/%" PRIu32, b->watch_group);
		put_list(t, "actions", &b->actions);
		put(t, ")");
	}
}

static void put_meter_mod(struct text *t, const struct of_meter_mod *m)
{
	put(t, " command %u flags 0x%x meter %" PRIu32, m->command, m->flags, m->meter);
	for (size_t i = 0; i < m->n_bands; i++)
		put(t, " band(type %u rate %" PRIu32 " burst %" PRIu32 ")", m->bands[i].type, m->bands[i].rate,
		    m->bands[i].burst);
}

static void put_multipart(struct text *t, const struct of_mp_request *r)
{
	static const char *const names[] = {
		"DESC",		"FLOW",		  "AGGREGATE",	    "TABLE",	      "PORT_STATS",
		"QUEUE",	"GROUP",	  "GROUP_DESC",	    "GROUP_FEATURES", "METER",
		"METER_CONFIG", "METER_FEATURES", "TABLE_FEATURES", "PORT_DESC",
	};

	put(t, " %s", r->type < ARRAY_LEN(names) ? names[r->type] : "?");
	if (r->type == OFPMP_FLOW || r->type == OFPMP_AGGREGATE) {
		put(t, " table %u [", r->flow.table);
		put_match(t, &r->flow.match);
		put(t, "]");
	} else if (r->type == OFPMP_PORT_STATS || r->type == OFPMP_QUEUE) {
		put(t, " port ");
		put_port(t, r->port_no);
	}
}

static void put_body(struct text *t, const struct of_msg *msg)
{
	switch (msg->type) {
	case OFPT_HELLO:
		put(t, " versions 0x%" PRIx32, msg->hello.versions);
		break;
	case OFPT_ERROR:
		put(t, " %s", of_error_name(msg->error));
		break;
	case OFPT_SET_CONFIG:
		put(t, " flags %u miss_send_len %u", msg->config.flags, msg->config.miss_send_len);
		break;
	case OFPT_PACKET_OUT:
		put_packet_out(t, &msg->packet_out);
		break;
	case OFPT_FLOW_MOD:
		put_flow_mod(t, &msg->flow_mod);
		break;
	case OFPT_GROUP_MOD:
		put_group_mod(t, &msg->group_mod);
		break;
	case OFPT_PORT_MOD:
		put(t, " port ");
		put_port(t, msg->port_mod.port_no);
		put(t, " config 0x%" PRIx32 "/0x%" PRIx32, msg->port_mod.config, msg->port_mod.mask);
		break;
	case OFPT_TABLE_MOD:
		put(t, " table %u config %" PRIu32, msg->table_mod.table, msg->table_mod.config);
		break;
	case OFPT_MULTIPART_REQUEST:
		put_multipart(t, &msg->multipart);
		break;
	case OFPT_ROLE_REQUEST:
		put(t, " role %" PRIu32 " generation %" PRIu64, msg->role.role, msg->role.generation_id);
		break;
	case OFPT_METER_MOD:
		put_meter_mod(t, &msg->meter_mod);
		break;
	}
}

const char *of_type_name(uint16_t type)
{
	static const char *const names[] = {
		"HELLO",
		"ERROR",
		"ECHO_REQUEST",
		"ECHO_REPLY",
		"EXPERIMENTER",
		"FEATURES_REQUEST",
		"FEATURES_REPLY",
		"GET_CONFIG_REQUEST",
		"GET_CONFIG_REPLY",
		"SET_CONFIG",
		"PACKET_IN",
		"FLOW_REMOVED",
		"PORT_STATUS",
		"PACKET_OUT",
		"FLOW_MOD",
		"GROUP_MOD",
		"PORT_MOD",
		"TABLE_MOD",
		"MULTIPART_REQUEST",
		"MULTIPART_REPLY",
		"BARRIER_REQUEST",
		"BARRIER_REPLY",
		"QUEUE_GET_CONFIG_REQUEST",
		"QUEUE_GET_CONFIG_REPLY",
		"ROLE_REQUEST",
		"ROLE_REPLY",
		"GET_ASYNC_REQUEST",
		"GET_ASYNC_REPLY",
		"SET_ASYNC",
		"METER_MOD",
	};

	return type < ARRAY_LEN(names) ? names[type] : "unknown type";
}

void of_msg_print(const struct of_msg *msg, char *text, size_t size)
{
	struct text t = text_of(text, size);

	put(&t, "%s xid 0x%" PRIx32, of_type_name(msg->type), msg->xid);
	put_body(&t, msg);
}

void of_match_print(const struct of_match *m, char *text, size_t size)
{
	struct text t = text_of(text, size);

	put_match(&t, m);
}

void of_actions_print(const struct of_actions *actions, char *text, size_t size)
{
	struct text t = text_of(text, size);

	put_actions(&t, actions);
}

void of_instructions_print(const struct of_instructions *inst, char *text, size_t size)
{
	struct text t = text_of(text, size);

	put_instructions(&t, inst);
}
