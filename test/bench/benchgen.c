/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * benchgen CPU MODE FLOWS    frames into a veth, counted where they come out; MODE: enum bg_mode, FLOWS 0: never the
 * same
 *
 * Reads commands, answers each with one line of JSON:
 *   bare IN OUT          attach the bare redirect to IN, out of OUT
 *   sink IF, tcsink IF   count what arrives at IF; tcsink for senders of sk_buffs
 *   peer NAME N IN OUT   attach a program of xdp_peer.bpf.c to IN, out of OUT, with room for N keys
 *   add PATH             more keys for it
 *   run IF N             N frames out of IF: {"sent", "received", "skbs", "ns", "clean", "disturbed"}; ns: a frame's,
 *                        the mean of the chunks (BG_CHUNK frames) in which no other process had the core; clean: how
 *                        many these are; disturbed: the others
 *   load IF SECONDS PPS  frames for a switch on another core, PPS 0: as fast as it goes: {"sent", "skbs", "seconds"}
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>
#include "test/bench/attach.h"
#include "test/bench/benchgen.h"
#include "test/bench/xdp_peer.h"
#include "build/benchgen.skel.h"

static int print_warnings(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

/* First of all on its core, or it waits for others; where the kernel shares by session (autogroup), as a session. */
static void own_cpu(int cpu)
{
	FILE *autogroup = setsid() < 0 ? NULL : fopen("/proc/self/autogroup", "w");
	cpu_set_t set;

	if (autogroup) {
		fputs("-20", autogroup);
		fclose(autogroup);
	}
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cpu");
	setpriority(PRIO_PROCESS, 0, -20);
}

static struct benchgen_bpf *load(int mode, unsigned int flows)
{
	struct benchgen_bpf *skel = benchgen_bpf__open();

	if (!skel)
		die("open");
	skel->rodata->mode = mode;
	skel->rodata->n_flows = flows;
	if (benchgen_bpf__load(skel))
		die("load");
	return skel;
}

static void attach_bare(struct benchgen_bpf *skel, const char *in, const char *out)
{
	__u32 key = 0, ifindex = ifindex_of(out);

	if (bpf_map_update_elem(bpf_map__fd(skel->maps.devmap), &key, &ifindex, 0))
		die("devmap");
	attach(skel->progs.bg_bare, ifindex_of(in));
}

static void attach_tc(struct bpf_program *prog, int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(prog), .handle = 1, .priority = 1);

	if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &opts))
		die("clsact");
}

static void burst(struct benchgen_bpf *skel, unsigned int n)
{
	unsigned char frame[BG_LENGTH] = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = BG_LENGTH, .repeat = n,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BG_BATCH);

	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.bg_source), &opts) && errno != EINTR)
		die("live frames");
}

/* What was sent on this core has been counted when the call ends: the last batch's softirq ran before it. */
static void run(struct benchgen_bpf *skel, const char *name, unsigned int n)
{
	struct benchgen_bpf__bss *v = skel->bss;
	__u64 received = v->received, skbs = v->skbs;
	unsigned int chunks = n / BG_CHUNK, clean = 0;
	double ns = 0;

	if (chunks < 1 || chunks >= BG_STAMPS)
		die("number of frames");
	v->ifindex = ifindex_of(name);
	v->sent = 0;
	burst(skel, chunks * BG_CHUNK + BG_BATCH);
	for (int i = 0; i < 20 && v->received + v->skbs - received - skbs < v->sent; i++)
		usleep(1000);
	for (struct bg_stamp *i = v->stamps; i < v->stamps + chunks; i++)
		if (i[0].switches == i[1].switches) {
			clean++;
			ns += (double)(i[1].ns - i[0].ns) / BG_CHUNK;
		}
	printf("{\"sent\": %u, \"received\": %llu, \"skbs\": %llu, \"ns\": %.2f, \"clean\": %u, \"disturbed\": %u}\n",
	       v->sent, v->received - received, v->skbs - skbs, clean ? ns / clean : 0, clean, chunks - clean);
}

static void on_alarm(int sig)
{
}

/* One call, which ends with the alarm: no pauses for set-up in between. */
static void run_load(struct benchgen_bpf *skel, const char *name, double seconds, double pps)
{
	struct itimerval in = {.it_value = {.tv_sec = (int)seconds, .tv_usec = (int)((seconds - (int)seconds) * 1e6)}};
	struct sigaction sa = {.sa_handler = on_alarm};
	struct benchgen_bpf__bss *v = skel->bss;
	__u64 before = v->skbs, got;

	v->ifindex = ifindex_of(name);
	v->sent = 0;
	v->start = 1; /* the first frame sets it */
	v->interval = pps > 0 ? 1024e9 / pps : 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &in, NULL);
	burst(skel, 0xffffffc0);
	got = v->skbs - before;
	printf("{\"sent\": %u, \"skbs\": %llu, \"seconds\": %.4f}\n", v->sent, got, (v->last - v->start) / 1e9);
	v->start = 0;
	do { /* what is still in queues must not be counted in the next run */
		before = v->skbs;
		usleep(50000);
	} while (v->skbs != before);
}

static void command(struct benchgen_bpf *skel, const char *line)
{
	char what[16], a[128] = "", b[32] = "", c[32] = "", d[32] = "";

	if (sscanf(line, "%15s %127s %31s %31s %31s", what, a, b, c, d) < 2)
		exit(2);
	if (!strcmp(what, "run")) {
		run(skel, a, strtoul(b, NULL, 0));
	} else if (!strcmp(what, "load")) {
		run_load(skel, a, atof(b), atof(c));
	} else {
		if (!strcmp(what, "bare"))
			attach_bare(skel, a, b);
		else if (!strcmp(what, "peer"))
			xdp_peer_start(a, strtoul(b, NULL, 0), c, d);
		else if (!strcmp(what, "add"))
			xdp_peer_add(a);
		else if (!strcmp(what, "sink"))
			attach(skel->progs.bg_sink, ifindex_of(a));
		else
			attach_tc(skel->progs.bg_sink_tc, ifindex_of(a));
		printf("{}\n");
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct benchgen_bpf *skel;
	char line[256];

	if (argc < 4) {
		fprintf(stderr, "usage: benchgen CPU MODE FLOWS\n");
		return 2;
	}
	libbpf_set_print(print_warnings);
	own_cpu(atoi(argv[1]));
	skel = load(atoi(argv[2]), strtoul(argv[3], NULL, 0));
	while (fgets(line, sizeof(line), stdin))
		command(skel, line);
	xdp_peer_end();
	benchgen_bpf__destroy(skel);
	return 0;
}
