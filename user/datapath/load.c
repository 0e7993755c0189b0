/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include "build/ofxdp.skel.h"
#include "include/ofxdp/cache.h"
#include "include/ofxdp/table_hash.h"
#include "include/ofxdp/table_lpm.h"
#include "user/datapath/chunk.h"
#include "user/datapath/internal.h"
#include "user/datapath/load.h"
#include "user/datapath/need.h"
#include "user/datapath/right.h"
#include "user/datapath/table_lines.h"
#include "user/datapath/xdp_feature.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1
#define SYSFS "/sys/kernel"
#define BTF SYSFS "/btf/vmlinux"

#define DEFAULT_FLOWS 131072
#define MIN_SPARE 4096	/* slots that wait for a grace period while others are added */
#define OPS_PER_FLOW 16 /* places in op_pool, in all */
/* Of maps, tries among them, programs, sockets; connections have more, and so have CPUs for a moment. */
#define DESCRIPTORS (128 + 2 * OFX_LPM_TRIES)

/* That it is too little is said here, for libraries may give another reason, or none. */
static int check_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= DESCRIPTORS) /* who can't tell, tries */
		return 0;
	log_error("Too many open files: the switch has some %d, and `ulimit -Hn` is %llu", DESCRIPTORS,
		  (unsigned long long)limit.rlim_cur);
	return -EMFILE;
}

static int check_sockets(void)
{
	_close_ int fd = socket(AF_XDP, SOCK_RAW, 0);
	int err = fd < 0 ? -errno : 0;

	if (err == -EAFNOSUPPORT)
		log_error("this kernel has no AF_XDP sockets: one with CONFIG_XDP_SOCKETS is needed");
	else if (err)
		log_error("cannot open an AF_XDP socket: %s", strerror(-err));
	return err;
}

static int check_kernel(void)
{
	int major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%d.%d", &major, &minor) != 2 ||
	    major * 1000 + minor < KERNEL_MAJOR * 1000 + KERNEL_MINOR) {
		log_error("the kernel is %s: %d.%d or newer is needed", u.release, KERNEL_MAJOR, KERNEL_MINOR);
		return -ENOSYS;
	}
	if (access(SYSFS, F_OK)) {
		log_error("sysfs is not mounted at /sys: run `mount -t sysfs sysfs /sys`");
		return -ENOSYS;
	}
	if (access(BTF, R_OK)) {
		log_error("%s is missing: a kernel with CONFIG_DEBUG_INFO_BTF is needed", BTF);
		return -ENOSYS;
	}
	return 0;
}

int load_check(bool start)
{
	int err = rights_check(start);

	if (!err)
		err = check_kernel();
	if (!err && start)
		err = check_descriptors();
	return !err && start ? check_sockets() : err;
}

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	_free_ char *text = NULL;

	if (log_level < LOG_LVL_DEBUG || level == LIBBPF_DEBUG)
		return 0;
	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
		return 0;
	}
	text[strcspn(text, "\n")] == '\n' && !text[strcspn(text, "\n") + 1] ? text[strcspn(text, "\n")] = '\0' : 0;
	log_debug("%s", text);
	return 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static int set_sizes(struct dp *dp)
{
	struct ofxdp_bpf *s = dp->skel;
	const uint64_t pool = (uint64_t)OPS_PER_FLOW * dp->n_flow_ids;
	const struct {
		struct bpf_map *map;
		uint32_t size;
	} sized[] = {
		{s->maps.rule_lines, lines_chunks(dp->max_flows)},
		{s->maps.flows, chunks_for(dp->n_flow_ids, OFX_FLOW_CHUNK)},
		{s->maps.insts, chunks_for(dp->n_flow_ids, OFX_INST_CHUNK)},
		{s->maps.op_pool, chunks_for(pool, OFX_OP_CHUNK)},
		{s->maps.hash16, least(dp->max_flows, OFX_HASH_ENTRIES)},
		{s->maps.hash32, least(dp->max_flows, OFX_HASH_ENTRIES)},
		{s->maps.hash64, least(dp->max_flows, OFX_HASH_ENTRIES)},
	};

	for (size_t i = 0; i < ARRAY_LEN(sized); i++) {
		int err = bpf_map__set_max_entries(sized[i].map, sized[i].size);

		if (err)
			return err;
	}
	return 0;
}

/* A program that does nothing else: libbpf's own question takes newer kernels' refusal for consent. */
static bool loads_probe_read_kernel(void)
{
	static const struct bpf_insn reads[] = {
		{.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "ofx_reads", "GPL", reads, ARRAY_LEN(reads), NULL);

	return fd >= 0;
}

/* The kernel may be locked down: then BPF can't see a link's state, and the daemon tells it. */
static bool may_read_kernel(void)
{
	if (loads_probe_read_kernel())
		return true;
	log_warn("this kernel does not let XDP programs see the state of links (it may be locked down): buckets of "
		 "groups follow a link that fails, and queues a changed qdisc, only while the daemon runs%s",
		 xdp_feature_told() ? "" : "; frames to a port whose driver takes none from XDP are lost");
	return false;
}

static int set_constants(struct dp *dp, uint64_t netns)
{
	uint64_t secret, rule_secret[OFX_RULE_SECRETS], cache_secret[OFX_CACHE_WORDS];

	if (getrandom(&dp->magic, sizeof(dp->magic), 0) != sizeof(dp->magic))
		return -errno;
	if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret) ||
	    getrandom(rule_secret, sizeof(rule_secret), 0) != sizeof(rule_secret) ||
	    getrandom(cache_secret, sizeof(cache_secret), 0) != sizeof(cache_secret))
		return -errno;
	dp->skel->rodata->ofx_secret = secret;
	for (int i = 0; i < OFX_RULE_SECRETS; i++)
		dp->skel->rodata->ofx_rule_secret[i] = rule_secret[i];
	for (int i = 0; i < OFX_CACHE_WORDS; i++)
		dp->skel->rodata->ofx_cache_secret[i] = cache_secret[i] | 1;
	dp->skel->rodata->ofx_sees_carrier = may_read_kernel();
	dp->skel->rodata->ofx_magic = dp->magic;
	dp->skel->rodata->ofx_netns = netns;
	return 0;
}

static int choose_sizes(struct dp *dp, uint32_t max_flows)
{
	uint32_t spare;

	dp->max_flows = max_flows ? max_flows : DEFAULT_FLOWS;
	spare = dp->max_flows / 8 > MIN_SPARE ? dp->max_flows / 8 : MIN_SPARE;
	if (dp->max_flows > UINT32_MAX / (2 * OPS_PER_FLOW)) {
		log_error("%u flows are more than the switch can hold", dp->max_flows);
		return -EINVAL;
	}
	dp->n_flow_ids = 1 + dp->max_flows + spare; /* id 0 is never used */
	return 0;
}

/* Sizes that follow from the number of CPUs, and whether there is memory for all that. */
static int plan(struct dp *dp)
{
	int err = cpus_plan(&dp->cpus, NULL, dp->n_flow_ids);

	dp->n_cpus = dp->cpus.n_possible;
	if (!err && dp->no_cache)
		cpus_no_cache(&dp->cpus);
	if (!err)
		err = set_sizes(dp);
	if (err)
		log_error("cannot plan for the CPUs of this machine: %s", strerror(-err));
	return err ? err : need_memory(dp);
}

static int make_cpus(struct dp *dp)
{
	int err = cpus_make(&dp->cpus, dp->skel);

	if (err)
		log_error("cannot make what each CPU has for itself: %s", strerror(-err));
	return err;
}

int load_open(struct dp *dp, uint32_t max_flows, uint64_t netns)
{
	int err = choose_sizes(dp, max_flows);

	if (err)
		return err;
	libbpf_set_print(print_libbpf);
	dp->skel = ofxdp_bpf__open();
	if (!dp->skel) {
		log_error("cannot open the BPF object: %s", strerror(errno));
		return -errno;
	}
	err = plan(dp);
	if (!err)
		err = make_cpus(dp);
	if (err)
		return err;
	err = set_constants(dp, netns);
	if (!err)
		err = ofxdp_bpf__load(dp->skel);
	if (err) {
		log_error("the kernel refused the XDP programs: %s; log level debug shows its verifier's log",
			  strerror(-err));
		return err;
	}
	cpus_publish(&dp->cpus, dp->skel);
	trace_open(&dp->trace, dp->skel->obj, netns);
	return 0;
}

void load_close(struct dp *dp)
{
	trace_close(&dp->trace);
	cpus_close(&dp->cpus);
	ofxdp_bpf__destroy(dp->skel);
	dp->skel = NULL;
}
