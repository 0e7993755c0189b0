/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/cpu.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "build/ofxdp.skel.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"
#include "user/util/memory.h"

#define ONLINE "/sys/devices/system/cpu/online"
#define NUMBERS 4096 /* bytes of a list of CPU numbers: a page, as the kernel has it */

/* --- which CPUs are there --- */

/* What is behind the number; NULL: there is none. */
static const char *parse_number(const char *at, unsigned long *number)
{
	char *end;

	if (*at < '0' || *at > '9')
		return NULL;
	*number = strtoul(at, &end, 10);
	return end;
}

/* What is behind "N" or "N-M"; NULL: it is neither. */
static const char *parse_range(const char *at, unsigned long *from, unsigned long *to)
{
	at = parse_number(at, from);
	*to = *from;
	if (!at || *at != '-')
		return at;
	at = parse_number(at + 1, to);
	return *to < *from ? NULL : at;
}

bool cpus_parse(const char *list, bool *set, uint32_t n)
{
	memset(set, 0, n * sizeof(*set));
	for (const char *at = list;; at++) {
		unsigned long from, to;

		at = parse_range(at, &from, &to);
		if (!at)
			return false;
		for (unsigned long i = from; i <= to && i < n; i++)
			set[i] = true;
		if (*at != ',')
			return !*at || *at == '\n';
	}
}

static bool read_list(char list[NUMBERS])
{
	_close_ int fd = open(ONLINE, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, list, NUMBERS - 1);

	if (len < 0)
		return false;
	list[len] = 0;
	return true;
}

/* Those that are online; all where that can't be told. */
static void cpus_online(bool *set, uint32_t n)
{
	char list[NUMBERS];

	if (!read_list(list) || !cpus_parse(list, set, n))
		memset(set, 1, n * sizeof(*set));
}

/* --- arrays --- */

static const uint32_t sizes[CPU_PARTS] = {
	[CPU_STATE] = sizeof(struct ofx_state),		[CPU_COUNTERS] = sizeof(struct ofx_cell),
	[CPU_BANDS] = sizeof(struct ofx_band_counters), [CPU_CONTS] = sizeof(struct ofx_cont),
	[CPU_CACHE] = sizeof(struct ofx_cached),	[CPU_CACHE_SHORT] = sizeof(struct ofx_cached_pair),
};

static void cpu_free(struct cpu *cpu)
{
	for (int i = 0; i < CPU_CONTS; i++)
		mapped_close(&cpu->map[i]);
	for (int i = 0; i < CPU_PARTS; i++)
		if (cpu->fd[i] >= 0)
			close(take_fd(cpu->fd[i]));
}

static int part_make(const struct cpus *c, struct cpu *cpu, enum cpu_part part)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ofx_cpu", sizeof(uint32_t), sizes[part], c->len[part], &opts);

	if (fd < 0)
		return fd;
	cpu->fd[part] = fd;
	return part < CPU_CONTS ? mapped_open_fd(&cpu->map[part], fd, sizes[part], c->len[part], true) : 0;
}

/* Those that packets can do without are left out of what all others share. */
static bool part_wanted(const struct cpus *c, enum cpu_part part, uint32_t number)
{
	return c->len[part] && (part < CPU_CACHE || number < c->n_possible);
}

static uint64_t cpu_bytes(const struct cpus *c, uint32_t number)
{
	uint64_t bytes = 0;

	for (int part = 0; part < CPU_PARTS; part++)
		if (part_wanted(c, part, number))
			bytes += (uint64_t)sizes[part] * c->len[part];
	return bytes;
}

/* The next of c->cpu[], not in the maps yet. */
static int cpu_make(struct cpus *c, uint32_t number)
{
	struct cpu *cpu = &c->cpu[c->n];
	int err = 0;

	memset(cpu, 0, sizeof(*cpu));
	memset(cpu->fd, -1, sizeof(cpu->fd));
	for (int part = 0; part < CPU_PARTS && !err; part++)
		if (part_wanted(c, part, number))
			err = part_make(c, cpu, part);
	if (err) {
		cpu_free(cpu);
		return err;
	}
	cpu->state = cpu->map[CPU_STATE].at;
	cpu->cells = cpu->map[CPU_COUNTERS].at;
	cpu->bands = cpu->map[CPU_BANDS].at;
	cpu->state->cpu = number;
	cpu->state->cache.mode = c->entries ? OFX_CACHE_WARM : OFX_CACHE_OFF;
	c->n++;
	return 0;
}

static bool cpu_known(const struct cpus *c, uint32_t number)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->cpu[i].state->cpu == number)
			return true;
	return false;
}

/* The first one in the set that has none; n_possible: there is no such. */
static uint32_t cpu_missing(const struct cpus *c, const bool *set)
{
	uint32_t i = 0;

	while (i < c->n_possible && (!set[i] || cpu_known(c, i)))
		i++;
	return i;
}

uint32_t cpus_count(const struct cpus *c)
{
	return c->n - cpu_known(c, c->n_possible);
}

/* --- into their maps --- */

static void set_outer(const struct ofxdp_bpf *skel, struct bpf_map *outer[CPU_PARTS])
{
	outer[CPU_STATE] = skel->maps.state;
	outer[CPU_COUNTERS] = skel->maps.flow_counters;
	outer[CPU_BANDS] = skel->maps.meter_band_counters;
	outer[CPU_CONTS] = skel->maps.conts;
	outer[CPU_CACHE] = skel->maps.cache;
	outer[CPU_CACHE_SHORT] = skel->maps.cache_short;
}

/* The array of that number, all CPUs' counted together. */
static int unit_put(const struct cpus *c, uint32_t unit)
{
	struct cpu *cpu = &c->cpu[unit / CPU_PARTS];
	const enum cpu_part part = CPU_PARTS - 1 - unit % CPU_PARTS;
	const uint32_t number = cpu->state->cpu;

	if (cpu->fd[part] < 0)
		return 0;
	if (bpf_map_update_elem(c->outer[part], &number, &cpu->fd[part], BPF_ANY))
		return -errno;
	close(take_fd(cpu->fd[part]));
	return 0;
}

static void *worker_run(void *arg)
{
	struct cpu_worker *w = arg;

	for (uint32_t i = w->first; i < w->end && !w->err; i += w->step)
		w->err = unit_put(w->cpus, i);
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Signals are for the event loop's thread.  Where there can be no more threads, the work is done at once. */
static void worker_start(struct cpu_worker *w)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	w->runs = !pthread_create(&w->thread, NULL, worker_run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!w->runs)
		worker_run(w);
}

/* Those of c->cpu[] from `first` on.  One worker puts a CPU's state last: with it the CPU uses the others. */
static void cpus_put(struct cpus *c, uint32_t first, uint32_t most_workers)
{
	const uint32_t from = first * CPU_PARTS, to = c->n * CPU_PARTS;

	c->n_workers = to - from < most_workers ? to - from : most_workers;
	for (uint32_t i = 0; i < c->n_workers; i++) {
		c->worker[i] = (struct cpu_worker){.cpus = c, .first = from + i, .end = to, .step = c->n_workers};
		worker_start(&c->worker[i]);
	}
}

static bool cpus_busy(const struct cpus *c)
{
	for (uint32_t i = 0; i < c->n_workers; i++)
		if (!__atomic_load_n(&c->worker[i].done, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

int cpus_join(struct cpus *c)
{
	int err = 0;

	for (uint32_t i = 0; i < c->n_workers; i++) {
		struct cpu_worker *w = &c->worker[i];

		if (w->runs)
			pthread_join(w->thread, NULL);
		err = err ? err : w->err;
	}
	c->n_workers = 0;
	return err;
}

void cpus_publish(struct cpus *c, const struct ofxdp_bpf *skel)
{
	struct bpf_map *outer[CPU_PARTS];

	set_outer(skel, outer);
	for (int part = 0; part < CPU_PARTS; part++)
		c->outer[part] = bpf_map__fd(outer[part]);
	cpus_put(c, 0, CPU_WORKERS); /* no packet comes yet: in any order */
}

/* --- CPUs that come --- */

static void tell(struct cpus *c, uint32_t number, int err)
{
	if (!c->told)
		log_warn(
			"CPU %u came online and gets no counters of its own (%s): it shares them with others that have "
			"none, which is slow",
			number, strerror(-err));
	c->told = true;
}

/* One at a time: it takes some milliseconds.  True: there may be another. */
static bool cpus_grow(struct cpus *c)
{
	_free_ bool *set = calloc(c->n_possible, sizeof(*set));
	uint32_t number;
	int err;

	if (!set)
		return false;
	cpus_online(set, c->n_possible);
	number = cpu_missing(c, set);
	if (number == c->n_possible)
		return false;
	err = memory_may_grow(cpu_bytes(c, number)) ? cpu_make(c, number) : -ENOMEM;
	if (err) {
		tell(c, number, err);
		return false;
	}
	log_info("CPU %u is online", number);
	cpus_put(c, c->n - 1, 1);
	return true;
}

static void look(evutil_socket_t fd, short what, void *aux)
{
	static const struct timeval later = {.tv_sec = 1}, soon = {.tv_usec = 100000};
	struct cpus *c = aux;
	bool more = cpus_busy(c);
	int err = more ? 0 : cpus_join(c);

	if (err)
		tell(c, c->cpu[c->n - 1].state->cpu, err);
	if (!more)
		more = cpus_grow(c);
	event_add(c->timer, more ? &soon : &later);
}

int cpus_watch(struct cpus *c, struct event_base *base)
{
	c->timer = evtimer_new(base, look, c);
	if (!c->timer)
		return -ENOMEM;
	look(-1, 0, c);
	return 0;
}

/* --- open and close --- */

static void set_cache(struct cpus *c, uint32_t entries)
{
	c->entries = entries;
	c->len[CPU_CACHE] = entries > OFX_CACHE_NEAR ? entries : 0;
	c->len[CPU_CACHE_SHORT] = c->len[CPU_CACHE] / 2;
}

uint64_t cpus_cache_bytes(const struct cpus *c)
{
	return (uint64_t)c->n_first * (c->len[CPU_CACHE] * sizeof(struct ofx_cached) +
				       c->len[CPU_CACHE_SHORT] * sizeof(struct ofx_cached_pair));
}

void cpus_limit_cache(struct cpus *c, uint64_t bytes)
{
	while (c->len[CPU_CACHE] && cpus_cache_bytes(c) > bytes)
		set_cache(c, c->entries / 2);
}

void cpus_no_cache(struct cpus *c)
{
	set_cache(c, 0);
}

int cpus_plan(struct cpus *c, const bool *online, uint32_t n_flow_ids)
{
	int n = libbpf_num_possible_cpus();

	if (n < 1)
		return n ? n : -ENOTSUP;
	*c = (struct cpus){
		.n_possible = n, .cpu = calloc(n + 1, sizeof(*c->cpu)), .first = calloc(n, sizeof(*c->first))};
	if (!c->cpu || !c->first) {
		cpus_close(c);
		return -ENOMEM;
	}
	if (online)
		memcpy(c->first, online, n * sizeof(*c->first));
	else
		cpus_online(c->first, n);
	for (int i = 0; i < n; i++)
		c->n_first += c->first[i];
	c->len[CPU_STATE] = 1;
	c->len[CPU_COUNTERS] = n_flow_ids;
	c->len[CPU_BANDS] = OFX_METER_SLOTS;
	c->len[CPU_CONTS] = OFX_CONTS;
	set_cache(c, OFX_CACHE_ALL);
	cpus_limit_cache(c, OFX_CACHE_BYTES);
	return 0;
}

uint64_t cpus_bytes(const struct cpus *c)
{
	uint64_t bytes = c->n_first < c->n_possible ? cpu_bytes(c, c->n_possible) : 0;

	for (uint32_t i = 0; i < c->n_possible; i++)
		bytes += c->first[i] ? cpu_bytes(c, i) : 0;
	return bytes;
}

/* The maps by CPU take arrays like these, and have room for all. */
static int set_templates(const struct cpus *c, const struct ofxdp_bpf *skel)
{
	struct bpf_map *outer[CPU_PARTS];
	int err = 0;

	set_outer(skel, outer);
	for (int part = 0; part < CPU_PARTS && !err; part++) {
		err = bpf_map__set_max_entries(outer[part], c->n_possible + 1);
		if (!err && c->len[part])
			err = bpf_map__set_inner_map_fd(outer[part], c->cpu[0].fd[part]);
	}
	return err;
}

/* For those that are online at first, and if there may be others, for these together. */
static int make_first(struct cpus *c)
{
	int err = 0;

	for (uint32_t i = 0; i < c->n_possible && !err; i++)
		if (c->first[i])
			err = cpu_make(c, i);
	return err || c->n == c->n_possible ? err : cpu_make(c, c->n_possible);
}

int cpus_make(struct cpus *c, struct ofxdp_bpf *skel)
{
	int err = make_first(c);

	if (err)
		return err;
	skel->rodata->ofx_n_cpus = c->n_possible;
	skel->rodata->ofx_cache_entries = c->entries;
	if (c->entries)
		skel->rodata->ofx_cache_shift = 64 - __builtin_ctz(c->entries);
	return set_templates(c, skel);
}

void cpus_close(struct cpus *c)
{
	cpus_join(c);
	if (c->timer)
		event_free(c->timer);
	for (uint32_t i = 0; i < c->n; i++)
		cpu_free(&c->cpu[i]);
	free(c->cpu);
	free(c->first);
	*c = (struct cpus){0};
}
