/* SPDX-License-Identifier: GPL-2.0-only */
/* What a message is for: the connection itself (HELLO, ECHO, ERROR) or the switch. */
#include "include/openflow/openflow.h"
#include "user/control/session.h"
#include "user/util/log.h"

static void debug_message(const struct session *s, const struct of_msg *msg)
{
	char text[512];

	if (log_level < LOG_LVL_DEBUG)
		return;
	of_msg_print(msg, text, sizeof(text));
	log_debug("%s: received %s", s->name, text);
}

static void wrong_message(struct session *s, const uint8_t *data, size_t len, int error)
{
	log_peer(LOG_LVL_INFO, "%s: %s (type %u, version %u, length %zu, xid %#x) refused: %s", s->name,
		 of_type_name(data[1]), data[1], data[0], len, stream_xid(data), of_error_name(error));
	/* An error about an error could go back and forth for ever. */
	if (data[1] != OF_ERROR_MSG)
		of_put_error(&s->conn.replies, stream_xid(data), error, data, len);
}

static void handle(struct session *s, struct of_msg *msg)
{
	switch (msg->type) {
	case OF_HELLO: /* harmless once the version is agreed on */
	case OF_ECHO_REPLY:
		return;
	case OF_ECHO_REQUEST:
		of_put_echo(&s->conn.replies, true, msg->xid, msg->raw + STREAM_HEADER, msg->raw_len - STREAM_HEADER);
		return;
	case OF_ERROR_MSG:
		log_peer(LOG_LVL_INFO, "%s: the controller reports %s (xid %#x)", s->name, of_error_name(msg->error),
			 msg->xid);
		return;
	default:
		sw_handle(s->control->sw, &s->conn, msg);
	}
}

/*
 * An answer that nobody asked for shows no life: a peer that takes nothing of what we send could live on such for ever.
 * Nor does anything else from a peer that has yet to take what there is for it (session_flush() looks at that one).
 */
static bool shows_life(const struct session *s, const uint8_t *data)
{
	bool answer = data[1] == OF_HELLO || data[1] == OF_ERROR_MSG || data[1] == OF_ECHO_REPLY;

	return !s->unwritable && (!answer || (s->probed && stream_xid(data) == s->xid));
}

void session_dispatch(struct session *s, const uint8_t *data, size_t len)
{
	struct of_msg msg; /* large, and of_decode() clears it */
	int error = OF_ERROR(OFPET_BAD_REQUEST, OFPBRC_BAD_VERSION);

	if (shows_life(s, data))
		session_alive(s, s->control->slice.now_ms);
	if (data[0] == s->conn.replies.version)
		error = sw_permit(&s->conn, data[1]) ?: of_decode(data, len, &msg);
	if (error) {
		wrong_message(s, data, len, error);
		return;
	}
	debug_message(s, &msg);
	handle(s, &msg);
	of_msg_free(&msg);
}

static void refuse_hello(struct session *s, const struct of_msg *msg)
{
	of_put_hello_failed(&s->conn.replies, msg->xid, OF_ERROR(OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE),
			    "no version in common: this switch speaks OpenFlow 1.3 (0x04)");
	log_peer(LOG_LVL_WARN, "%s: speaks no OpenFlow version that we do (it offers 0x%x as a bitmap, we 0x%x)",
		 s->name, msg->hello.versions, SESSION_VERSIONS);
}

bool session_negotiate(struct session *s, const uint8_t *data, size_t len)
{
	struct of_msg msg = {0};
	uint32_t common;
	int error = of_decode(data, len, &msg);

	if (error) {
		wrong_message(s, data, len, error);
		return false;
	}
	debug_message(s, &msg);
	/* With bitmaps the highest version of both; without, the smaller header version: it is the same as we offer
	 * one. */
	common = msg.hello.versions & SESSION_VERSIONS;
	if (!common)
		refuse_hello(s, &msg);
	of_msg_free(&msg);
	if (!common)
		return false;
	s->conn.replies.version = s->packet_ins.version = 31 - __builtin_clz(common);
	return true;
}
