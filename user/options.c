/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "user/util/cleanup.h"
#include "user/util/log.h"
#include "user/util/version.h"

#define MB (1024 * 1024)
#define UNSENT_MB 256
#define UNSENT_MAX_MB (1024 * 1024)

enum {
	OPT_DPID = 256,
	OPT_MAX_FLOWS,
	OPT_MAX_PROBES,
	OPT_MAX_UNSENT,
	OPT_FORCE,
	OPT_NO_LOCAL,
	OPT_NO_CACHE,
	OPT_CLEANUP,
	OPT_PIN_ROOT,
	OPT_STATE_DIR,
	OPT_LOG_LEVEL
};

static const struct option long_options[] = {
	{"name", required_argument, NULL, 'n'},
	{"dpid", required_argument, NULL, OPT_DPID},
	{"interface", required_argument, NULL, 'i'},
	{"controller", required_argument, NULL, 'c'},
	{"listen", required_argument, NULL, 'l'},
	{"max-flows", required_argument, NULL, OPT_MAX_FLOWS},
	{"max-probes", required_argument, NULL, OPT_MAX_PROBES},
	{"max-unsent", required_argument, NULL, OPT_MAX_UNSENT},
	{"force", no_argument, NULL, OPT_FORCE},
	{"no-local", no_argument, NULL, OPT_NO_LOCAL},
	{"no-cache", no_argument, NULL, OPT_NO_CACHE},
	{"cleanup", no_argument, NULL, OPT_CLEANUP},
	{"pin-root", required_argument, NULL, OPT_PIN_ROOT},
	{"state-dir", required_argument, NULL, OPT_STATE_DIR},
	{"verbose", no_argument, NULL, 'v'},
	{"quiet", no_argument, NULL, 'q'},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static const char help[] =
	"Usage: ofxdpd [OPTION]...\n"
	"An OpenFlow 1.3 switch whose data plane is XDP.  Runs in the foreground as root; SIGTERM or SIGINT ends it "
	"and\n"
	"leaves the interfaces as they were.  After a kill -9 installed flows go on forwarding.\n"
	"\n"
	"  -n, --name NAME            the switch: pin folder, LOCAL interface (default ofxdp0; up to 11 characters)\n"
	"      --dpid ID              datapath id, up to 16 hex digits (default: from machine id and name)\n"
	"  -i, --interface IF[=NO]    make IF a port, with port number NO (1-1023); repeatable.  One that is not\n"
	"                             there becomes a port when it appears\n"
	"  -c, --controller TARGET    connect to tcp:HOST[:PORT] (PORT 6653); repeatable.  A host name is looked up "
	"once,\n"
	"                             at start\n"
	"  -l, --listen WHERE         ptcp:PORT[:ADDRESS] (ADDRESS 127.0.0.1) or punix:PATH; repeatable\n"
	"      --max-flows N          flow entries there is room for\n"
	"      --max-probes N         refuse flow-mods that would make a packet cost more than N probes in a table\n"
	"                             (ofxdpctl NAME tables; default 0: no limit)\n"
	"      --max-unsent MB        let controllers go that take too little of what is sent to them, when more than "
	"that\n"
	"                             waits for all together, or an eighth of it for one (default 256; less\n"
	"                             where memory is limited)\n"
	"      --force                take interfaces that have IP addresses or lead to a controller too\n"
	"      --no-local             no LOCAL interface\n"
	"      --no-cache             no flow cache, every packet walks the tables: to measure, or to compare\n"
	"      --cleanup              remove what a dead ofxdpd of this name left behind, and end\n"
	"      --state-dir PATH       where port numbers are kept (default $STATE_DIRECTORY or /var/lib/ofxdp)\n"
	"      --pin-root PATH        where pins go (default /sys/fs/bpf/ofxdp); for tests\n"
	"  -v, --verbose              log debug lines too: every message\n"
	"  -q, --quiet                log warnings and errors only\n"
	"      --log-level LEVEL      error, warning, info (default) or debug\n"
	"  -h, --help                 print this\n"
	"  -V, --version              print the version\n"
	"\n"
	"IPv6 addresses stand in [brackets].\n";

static bool parse_u64(const char *text, int base, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, base);
	return isxdigit((unsigned char)*text) && !*end && !errno && *out <= max;
}

static bool set_name(struct options *o, const char *text)
{
	size_t len = strlen(text);

	if (!len || len > OFX_NAME_MAX || text[0] == '-' ||
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")]) {
		log_error("'%s' is no switch name: 1 to %d letters, digits, _ or -, the first not -", text,
			  OFX_NAME_MAX);
		return false;
	}
	strcpy(o->name, text);
	return true;
}

static bool set_dpid(struct options *o, const char *text)
{
	const char *digits = !strncasecmp(text, "0x", 2) ? text + 2 : text;

	if (strlen(digits) <= 16 && parse_u64(digits, 16, UINT64_MAX, &o->dpid) && o->dpid)
		return true;
	log_error("'%s' is no datapath id: 1 to 16 hex digits, not all 0", text);
	return false;
}

static bool add_port(struct options *o, const char *text)
{
	struct dp_port_option port = {0};
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	uint64_t no = 0;

	if (!len || len >= sizeof(port.ifname) || (equals && (!parse_u64(equals + 1, 10, OPTIONS_PORTS, &no) || !no))) {
		log_error("'%s' is no port: write INTERFACE or INTERFACE=NUMBER, the number 1 to %d", text,
			  OPTIONS_PORTS);
		return false;
	}
	memcpy(port.ifname, text, len);
	port.port_no = no;
	for (size_t i = 0; i < o->n_ports; i++) {
		if (!strcmp(o->ports[i].ifname, port.ifname)) {
			log_error("interface %s is given twice", port.ifname);
			return false;
		}
		if (no && o->ports[i].port_no == no) {
			log_error("port number %u is given to both %s and %s", port.port_no, o->ports[i].ifname,
				  port.ifname);
			return false;
		}
	}
	if (o->n_ports == OPTIONS_PORTS) {
		log_error("more than %d ports", OPTIONS_PORTS);
		return false;
	}
	o->ports[o->n_ports++] = port;
	return true;
}

static bool add_controller(struct options *o, const char *text)
{
	if (o->n_controllers == OPTIONS_CONTROLLERS) {
		log_error("more than %d controllers", OPTIONS_CONTROLLERS);
		return false;
	}
	return !control_parse_target(text, &o->controllers[o->n_controllers++]);
}

static bool add_listener(struct options *o, const char *text)
{
	if (o->n_listeners == OPTIONS_LISTENERS) {
		log_error("more than %d listeners", OPTIONS_LISTENERS);
		return false;
	}
	if (control_check_listener(text))
		return false;
	o->listeners[o->n_listeners++] = text;
	return true;
}

static bool set_max_flows(struct options *o, const char *text)
{
	uint64_t n;

	if (!parse_u64(text, 10, 1 << 24, &n) || !n) {
		log_error("'%s' is no number of flow entries: 1 to %d", text, 1 << 24);
		return false;
	}
	o->max_flows = n;
	return true;
}

static bool set_max_probes(struct options *o, const char *text)
{
	uint64_t n;

	if (!parse_u64(text, 10, UINT16_MAX, &n)) {
		log_error("'%s' is no number of probes: 0 to %d", text, UINT16_MAX);
		return false;
	}
	o->max_probes = n;
	return true;
}

static bool set_max_unsent(struct options *o, const char *text)
{
	uint64_t mb;

	if (!parse_u64(text, 10, UNSENT_MAX_MB, &mb) || mb < CONTROL_UNSENT_MIN / MB) {
		log_error("'%s' is no number of megabytes: %d to %d", text, CONTROL_UNSENT_MIN / MB, UNSENT_MAX_MB);
		return false;
	}
	o->max_unsent = mb * MB;
	return true;
}

static bool set_log_level(const char *text)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!strcmp(text, names[i])) {
			log_level = i;
			return true;
		}
	}
	log_error("'%s' is no log level: error, warning, info or debug", text);
	return false;
}

static void wrong_option(int opt, const char *arg)
{
	char letter[] = {'-', optopt, 0};

	/* A wrong letter may stand in a group that getopt has not left yet: then `arg` is the argument before. */
	if (optopt && optopt < 256 && strncmp(arg, "--", 2) != 0)
		arg = letter;
	log_error(opt == ':' ? "option %s needs a value; see ofxdpd --help" : "wrong option %s; see ofxdpd --help",
		  arg);
}

static bool parse_one(struct options *o, int opt, char **argv)
{
	switch (opt) {
	case 'n':
		return set_name(o, optarg);
	case OPT_DPID:
		return set_dpid(o, optarg);
	case 'i':
		return add_port(o, optarg);
	case 'c':
		return add_controller(o, optarg);
	case 'l':
		return add_listener(o, optarg);
	case OPT_MAX_FLOWS:
		return set_max_flows(o, optarg);
	case OPT_MAX_PROBES:
		return set_max_probes(o, optarg);
	case OPT_MAX_UNSENT:
		return set_max_unsent(o, optarg);
	case OPT_FORCE:
		return o->force = true;
	case OPT_NO_LOCAL:
		return o->no_local = true;
	case OPT_NO_CACHE:
		return o->no_cache = true;
	case OPT_CLEANUP:
		return o->cleanup = true;
	case OPT_PIN_ROOT:
		o->pin_root = optarg;
		return true;
	case OPT_STATE_DIR:
		o->state_dir = optarg;
		return true;
	case 'v':
		log_level = LOG_LVL_DEBUG;
		return true;
	case 'q':
		log_level = LOG_LVL_WARN;
		return true;
	case OPT_LOG_LEVEL:
		return set_log_level(optarg);
	default:
		wrong_option(opt, argv[optind - 1]);
		return false;
	}
}

enum options_result options_parse(int argc, char **argv, struct options *o)
{
	int opt;

	memset(o, 0, sizeof(*o));
	strcpy(o->name, "ofxdp0");
	o->max_unsent = (size_t)UNSENT_MB * MB;
	o->state_dir = getenv("STATE_DIRECTORY"); /* of systemd, for StateDirectory= */
	while ((opt = getopt_long(argc, argv, ":n:i:c:l:vqhV", long_options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return OPTIONS_DONE;
		}
		if (opt == 'V') {
			puts("ofxdpd " OFXDP_VERSION);
			return OPTIONS_DONE;
		}
		if (!parse_one(o, opt, argv))
			return OPTIONS_WRONG;
	}
	if (optind == argc)
		return OPTIONS_RUN;
	log_error("'%s' belongs to no option; see ofxdpd --help", argv[optind]);
	return OPTIONS_WRONG;
}

static uint64_t fnv1a(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
	return hash;
}

static void machine_id(char *text, size_t size)
{
	FILE *f = fopen("/etc/machine-id", "re");
	bool found = f && fgets(text, size, f) && isxdigit((unsigned char)*text);

	if (f)
		fclose(f);
	if (!found && gethostname(text, size - 1))
		text[0] = 0;
	text[strcspn(text, "\n")] = 0;
}

uint64_t options_default_dpid(const char *name)
{
	char id[128] = "";
	uint64_t hash;

	machine_id(id, sizeof(id));
	hash = fnv1a(fnv1a(fnv1a(0xcbf29ce484222325ull, id), ":"), name);
	return hash ? hash : 1;
}
