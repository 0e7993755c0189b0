/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pktgen send IFACE [options]   numbered packets into a veth (BPF_PROG_TEST_RUN, live frames)
 * pktgen sink IFACE             note the numbers that arrive at IFACE, until stdin ends
 *
 * send options: -t HEX template of the first 64 bytes   -l LENGTH   -r PPS (0: as fast as it goes)   -d SECONDS
 *               -n COUNT (instead of -d)   -b MOST frames in a burst (-r)   -f FLOWS   -o OFFSET of the 4 bytes that
 * number the flow   -c CPU
 * Both print "ready", and at the end one line of JSON.  SIGTERM ends both.  "sent" are the frames that the other end of
 * the veth took; "untaken" those it had no room for, which have numbers too: its ring holds 256, and its CPU may come
 * late.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "test/e2e/pktgen.h"
#include "build/pktgen.skel.h"

#define SLOT_NS 20000000LL  /* a paced sender sends one burst per slot */
#define MAX_BURST (1 << 19) /* each call ends in waiting for grace periods, some 20 ms */

struct options {
	const char *ifname;
	int ifindex, length, cpu;
	long long rate, count, burst;
	double seconds;
	unsigned int flows, flow_at;
	unsigned char head[PG_HEAD];
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

static int print_warnings(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void die(const char *what)
{
	fprintf(stderr, "pktgen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static struct pktgen_bpf *load(const struct options *o)
{
	struct pktgen_bpf *skel = pktgen_bpf__open();

	if (!skel)
		die("open");
	skel->rodata->ifindex = o->ifindex;
	skel->rodata->n_flows = o->flows ? o->flows : 1;
	skel->rodata->flow_at = o->flow_at;
	memcpy(skel->bss->template, o->head, PG_HEAD);
	if (pktgen_bpf__load(skel))
		die("load");
	return skel;
}

static int pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

/* n frames; the kernel may be interrupted in between, next_seq tells how far it came. */
static void burst(struct pktgen_bpf *skel, unsigned char *frame, int length, unsigned int n)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = length, .repeat = n,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.pg_source), &opts) && errno != EINTR)
		die("live frames");
}

/* Frames that the interface could not hand over so far. */
static unsigned int tx_dropped(const char *ifname)
{
	struct ifaddrs *all, *a;
	unsigned int n = 0;

	if (getifaddrs(&all))
		die("getifaddrs");
	for (a = all; a; a = a->ifa_next)
		if (!strcmp(a->ifa_name, ifname) && a->ifa_addr && a->ifa_addr->sa_family == AF_PACKET && a->ifa_data)
			n = ((struct rtnl_link_stats *)a->ifa_data)->tx_dropped;
	freeifaddrs(all);
	return n;
}

/* How many frames are due by the end of this slot. */
static long long frames_due(const struct options *o, long long elapsed, long long sent)
{
	long long n = o->rate ? (elapsed + SLOT_NS) * o->rate / 1000000000LL - sent : MAX_BURST;

	if (o->burst && n > o->burst)
		n = o->burst;
	return o->count && n > o->count - sent ? o->count - sent : n;
}

static void send_all(struct pktgen_bpf *skel, const struct options *o)
{
	long long start = now_ns(), elapsed = 0, end = (long long)(o->seconds * 1e9);
	unsigned int untaken = tx_dropped(o->ifname);
	unsigned char frame[2048] = {};

	while (!stop && (o->count ? skel->bss->next_seq < o->count : elapsed < end)) {
		long long n = frames_due(o, elapsed, skel->bss->next_seq), spent;

		if (n > 0)
			burst(skel, frame, o->length, n);
		spent = now_ns() - start - elapsed;
		if (o->rate && spent < SLOT_NS)
			usleep((SLOT_NS - spent) / 1000);
		elapsed = now_ns() - start;
	}
	untaken = tx_dropped(o->ifname) - untaken;
	printf("{\"sent\": %u, \"untaken\": %u, \"seconds\": %.3f, \"pps\": %.0f}\n", skel->bss->next_seq - untaken,
	       untaken, elapsed / 1e9, skel->bss->next_seq * 1e9 / elapsed);
}

static void run_sink(struct pktgen_bpf *skel, int ifindex)
{
	size_t size = PG_MAX_SEQ / 8;
	struct pg_seen *s = &skel->bss->seen;
	unsigned long long *bits = mmap(NULL, size, PROT_READ, MAP_SHARED, bpf_map__fd(skel->maps.numbers), 0);
	long long first_gap = -1;
	char c;

	if (bits == MAP_FAILED)
		die("mmap");
	if (bpf_xdp_attach(ifindex, bpf_program__fd(skel->progs.pg_sink), XDP_FLAGS_DRV_MODE, NULL))
		die("attach");
	printf("ready\n");
	fflush(stdout);
	while (!stop && read(0, &c, 1) > 0)
		;
	bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, NULL);
	for (size_t i = 0; i < size / 8 && first_gap < 0; i++)
		if (~bits[i])
			first_gap = i * 64 + __builtin_ctzll(~bits[i]);
	printf("{\"unique\": %llu, \"duplicates\": %llu, \"tags\": [%llu, %llu, %llu], \"other\": %llu, \"first_gap\": "
	       "%lld}\n",
	       s->unique, s->duplicates, s->received[0], s->received[1], s->received[2], s->other, first_gap);
}

static void parse_hex(const char *text, unsigned char *to)
{
	for (int i = 0; i < PG_HEAD && text[0] && text[1]; i++, text += 2)
		sscanf(text, "%2hhx", &to[i]);
}

static void parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "t:l:r:d:n:b:f:o:c:")) != -1) {
		switch (c) {
		case 't':
			parse_hex(optarg, o->head);
			break;
		case 'l':
			o->length = atoi(optarg);
			break;
		case 'r':
			o->rate = atoll(optarg);
			break;
		case 'd':
			o->seconds = atof(optarg);
			break;
		case 'n':
			o->count = atoll(optarg);
			break;
		case 'b':
			o->burst = atoll(optarg);
			break;
		case 'f':
			o->flows = atoi(optarg);
			break;
		case 'o':
			o->flow_at = atoi(optarg);
			break;
		case 'c':
			o->cpu = atoi(optarg);
			break;
		default:
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct options o = {.ifname = argc > 2 ? argv[2] : "", .length = PG_HEAD, .cpu = -1, .seconds = 1};
	struct sigaction sa = {.sa_handler = on_signal};
	struct pktgen_bpf *skel;

	if (argc < 3) {
		fprintf(stderr, "usage: pktgen send|sink IFACE [options]\n");
		return 2;
	}
	o.ifindex = if_nametoindex(argv[2]);
	if (!o.ifindex)
		die(argv[2]);
	parse(argc - 2, argv + 2, &o);
	sigaction(SIGTERM, &sa, NULL); /* without SA_RESTART: the read of stdin ends */
	sigaction(SIGINT, &sa, NULL);
	libbpf_set_print(print_warnings);
	if (o.cpu >= 0 && pin_to_cpu(o.cpu))
		die("cpu");
	skel = load(&o);
	if (!strcmp(argv[1], "sink")) {
		run_sink(skel, o.ifindex);
	} else {
		printf("ready\n");
		fflush(stdout);
		send_all(skel, &o);
	}
	pktgen_bpf__destroy(skel);
	return 0;
}
