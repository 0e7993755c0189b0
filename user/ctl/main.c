/* SPDX-License-Identifier: GPL-2.0-only */
/* ofxdpctl: what a switch's maps say, read from their pins; needs no daemon. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/ctl/ctl.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"
#include "user/util/version.h"

#define PIN_ROOT "/sys/fs/bpf/ofxdp"

static const char help[] =
	"Usage: ofxdpctl [OPTION]... [NAME] COMMAND\n"
	"What the maps of switch NAME say (NAME may be left out where there is only one).  Needs root, and no daemon.\n"
	"\n"
	"  list     the switches\n"
	"  drops    why packets went no further, and how many\n"
	"  ports    the ports with their interfaces and counters\n"
	"  cache    the microflow cache of each CPU: hits, misses, is it on\n"
	"  tables   how the flow tables lie in the maps: tuples, rules, worst-case probes\n"
	"  groups   the groups, their buckets, and counters\n"
	"  meters   the meters, their bands, and counters\n"
	"\n"
	"  -a, --all            rows of zeros too\n"
	"  -j, --json           as JSON\n"
	"      --pin-root PATH  where the pins are (default " PIN_ROOT ")\n"
	"  -h, --help           print this\n"
	"  -V, --version        print the version\n";

static const struct command {
	const char *name;
	int (*run)(const struct pins *pins, const struct ctl_format *format);
} commands[] = {
	{"cache", ctl_cache},	{"drops", ctl_drops}, {"groups", ctl_groups},
	{"meters", ctl_meters}, {"ports", ctl_ports}, {"tables", ctl_tables},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	}
	return NULL;
}

static int list(const char *root, bool json)
{
	char **names;
	int n = pins_list(root, &names);

	if (n < 0)
		return -1;
	if (json)
		printf("[");
	for (int i = 0; i < n; i++)
		printf(json ? "%s\"%s\"" : "%s%s\n", json && i ? ", " : "", names[i]);
	if (json)
		printf("]\n");
	pins_names_free(names, n);
	return 0;
}

/* The name of the only switch; malloc'ed, or NULL. */
static char *only_switch(const char *root)
{
	char **names, *name = NULL;
	int n = pins_list(root, &names);

	if (n == 1)
		name = take_ptr(names[0]);
	else if (n == 0)
		log_error("there is no switch (%s is empty)", root);
	else if (n > 1)
		log_error("there are %d switches: say which (ofxdpctl list shows them)", n);
	if (n >= 0)
		pins_names_free(names, n);
	return name;
}

static int run(const char *root, const struct ctl_format *format, const char *given, const char *command_name)
{
	const struct command *command = find_command(command_name);
	_free_ char *name = NULL;
	struct pins pins = {.entry = -1};
	int status = EXIT_FAILURE;

	if (!command) {
		log_error("no command '%s'; see ofxdpctl --help", command_name);
		return 2;
	}
	name = given ? strdup(given) : only_switch(root);
	if (name && !pins_open(root, name, &pins) && !command->run(&pins, format))
		status = EXIT_SUCCESS;
	else if (!log_errors) /* what fails says why where it knows most; this is for what cannot */
		log_error("%s: cannot read all of it: out of memory, or it is changing", command_name);
	pins_close(&pins);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"all", no_argument, NULL, 'a'},
		{"json", no_argument, NULL, 'j'},
		{"pin-root", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	struct ctl_format format = {0};
	const char *root = PIN_ROOT;
	int opt;

	log_init("ofxdpctl");
	while ((opt = getopt_long(argc, argv, "ajhV", options, NULL)) != -1) {
		switch (opt) {
		case 'a':
			format.all = true;
			break;
		case 'j':
			format.json = true;
			break;
		case 'r':
			root = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("ofxdpctl " OFXDP_VERSION);
			return EXIT_SUCCESS;
		default:
			return 2; /* getopt has said why */
		}
	}
	if (argc - optind == 1 && !strcmp(argv[optind], "list"))
		return list(root, format.json) ? EXIT_FAILURE : EXIT_SUCCESS;
	if (argc - optind == 1)
		return run(root, &format, NULL, argv[optind]);
	if (argc - optind == 2)
		return run(root, &format, argv[optind], argv[optind + 1]);
	log_error("write ofxdpctl [NAME] COMMAND; see ofxdpctl --help");
	return 2;
}
