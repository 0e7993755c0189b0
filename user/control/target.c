/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/control/internal.h"
#include "user/util/log.h"

#define OFP_TCP_PORT "6653" /* OpenFlow 1.3.5 §6.3.3 */

/* "HOST", "HOST:PORT", "[V6]", "[V6]:PORT" → host and port (NULL: none).  False: neither. */
static bool split_host_port(char *text, char **host, char **port)
{
	char *end;

	*port = NULL;
	*host = text;
	if (*text == '[') {
		*host = text + 1;
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		*port = end[1] ? end + 2 : NULL;
		*end = 0;
	} else if ((end = strchr(text, ':'))) {
		if (strchr(end + 1, ':'))
			return false; /* an IPv6 address without brackets */
		*end = 0;
		*port = end + 1;
	}
	return **host != 0;
}

static bool valid_port(const char *port, bool zero)
{
	char *end;
	unsigned long n = strtoul(port, &end, 10);

	return *port >= '0' && *port <= '9' && !*end && n <= 65535 && (n || zero);
}

/* 0, or a getaddrinfo error. */
static int resolve(const char *host, const char *port, int flags, struct sockaddr_storage *addr, socklen_t *len)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV}, *found;
	int error = getaddrinfo(host, port, &hints, &found);

	if (error)
		return error;
	memcpy(addr, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int control_parse_target(const char *text, struct control_target *target)
{
	char copy[sizeof(target->text)], *host, *port;
	int error;

	if (strlen(text) >= sizeof(copy) || strncmp(text, "tcp:", 4) != 0) {
		log_error("'%s' is not a controller: write tcp:HOST[:PORT], an IPv6 address in [brackets]", text);
		return -EINVAL;
	}
	strcpy(target->text, text);
	strcpy(copy, text + 4);
	if (!split_host_port(copy, &host, &port) || (port && !valid_port(port, false))) {
		log_error("'%s' is not a controller: write tcp:HOST[:PORT], an IPv6 address in [brackets]", text);
		return -EINVAL;
	}
	error = resolve(host, port ? port : OFP_TCP_PORT, 0, &target->addr, &target->addr_len);
	if (error) {
		log_error("%s: no address for host '%s': %s", text, host, gai_strerror(error));
		return -EINVAL;
	}
	return 0;
}

int control_parse_listen_addr(const char *text, struct sockaddr_storage *addr, socklen_t *len)
{
	char copy[128], *host = copy, *ignored, *colon;

	if (strlen(text) >= sizeof(copy))
		text = "?";
	strcpy(copy, text);
	colon = strchr(copy, ':');
	if (colon) {
		*colon = 0;
		if (!split_host_port(colon + 1, &host, &ignored) || ignored)
			host = NULL;
	} else {
		host = "127.0.0.1";
	}
	if (host && valid_port(*copy ? copy : OFP_TCP_PORT, true) &&
	    !resolve(host, *copy ? copy : OFP_TCP_PORT, AI_NUMERICHOST, addr, len))
		return 0;
	log_error("'ptcp:%s' is not a listener: write ptcp:PORT[:ADDRESS], an IPv6 address in [brackets]", text);
	return -EINVAL;
}

void control_format_addr(const struct sockaddr_storage *addr, socklen_t len, char *text, size_t size)
{
	char host[64], port[8];

	if (getnameinfo((const struct sockaddr *)addr, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(text, size, "?");
	else
		snprintf(text, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}
