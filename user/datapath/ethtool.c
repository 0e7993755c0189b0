/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "include/openflow/openflow.h"
#include "user/datapath/ethtool.h"
#include "user/openflow/msg.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define LOOPBACK 1		/* its ifindex, in every namespace */
#define LINK_MODE_WORDS_MAX 127 /* the field that tells the number of words is a signed byte */

int ethtool_open(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int ethtool_ioctl(int sock, const char *ifname, void *command)
{
	struct ifreq ifr = {.ifr_data = command};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	/* More than 0: what was wished is not all there is now. */
	return ioctl(sock, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/*
 * These ioctls want a name, and interfaces get other names at any time: the one that ifindex has, before and after, or
 * it is done again.
 */
#define NAME_TRIES 3

static int name_of(int sock, uint32_t ifindex, char name[IFNAMSIZ])
{
	struct ifreq ifr = {.ifr_ifindex = (int)ifindex};

	if (ioctl(sock, SIOCGIFNAME, &ifr))
		return -errno;
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	return 0;
}

static int by_name(int sock, uint32_t ifindex, int (*fn)(int sock, const char *ifname, void *aux), void *aux)
{
	char name[IFNAMSIZ], now[IFNAMSIZ];
	int err = name_of(sock, ifindex, name);

	for (int i = 0; i < NAME_TRIES && !err; i++) {
		int result = fn(sock, name, aux);

		err = name_of(sock, ifindex, now);
		if (!err && !strcmp(name, now))
			return result;
		memcpy(name, now, sizeof(name));
	}
	return err ? err : -EAGAIN;
}

#define FEATURES_MAX 256 /* four times as many as Linux has; room on the stack, so that there always is some */

struct feature_names {
	struct ethtool_gstrings head; /* len: how many */
	char name[FEATURES_MAX][ETH_GSTRING_LEN];
};

/* The kernel's names of all feature bits. */
static bool feature_names(int sock, const char *ifname, struct feature_names *names)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}};

	if (ethtool_ioctl(sock, ifname, &set) || !set.info.sset_mask || set.count > FEATURES_MAX)
		return false;
	names->head =
		(struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = set.count};
	return !ethtool_ioctl(sock, ifname, names);
}

static int feature_bit(const struct feature_names *all, const char *name)
{
	for (uint32_t i = 0; i < all->head.len; i++)
		if (!strncmp(all->name[i], name, ETH_GSTRING_LEN))
			return (int)i;
	return -1;
}

struct wish {
	const char *const *names;
	size_t n;
	uint32_t which; /* bit i: of names[i] */
	bool on;
};

static int read_features(int sock, const char *ifname, void *aux)
{
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block block[FEATURES_MAX / 32];
	} now = {.head = {.cmd = ETHTOOL_GFEATURES}};
	struct feature_names all;
	struct wish *w = aux;

	w->which = 0;
	if (!feature_names(sock, ifname, &all))
		return -EOPNOTSUPP;
	now.head.size = (all.head.len + 31) / 32;
	if (ethtool_ioctl(sock, ifname, &now))
		return -EOPNOTSUPP;
	for (size_t i = 0; i < w->n; i++) {
		int bit = feature_bit(&all, w->names[i]);

		if (bit >= 0 && now.block[bit / 32].active >> (bit % 32) & 1)
			w->which |= 1u << i;
	}
	return 0;
}

uint32_t ethtool_features(int sock, uint32_t ifindex, const char *const *names, size_t n)
{
	struct wish w = {.names = names, .n = n};

	return by_name(sock, ifindex, read_features, &w) ? 0 : w.which;
}

void ethtool_check(int sock)
{
	struct wish w = {0};
	int err = by_name(sock, LOOPBACK, read_features, &w);

	if (err)
		log_warn(
			"the kernel does not let offloads be seen or changed (ethtool: %s): VLAN tags that a driver "
			"takes off frames, and segments that it merges, are lost to the switch, as are frames to LOCAL "
			"and to veths without GRO: run `ethtool -K IFACE rxvlan off lro off` for each port elsewhere",
			strerror(-err));
}

static int write_features(int sock, const char *ifname, void *aux)
{
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block block[FEATURES_MAX / 32];
	} set = {.head = {.cmd = ETHTOOL_SFEATURES}};
	const struct wish *w = aux;
	struct feature_names all;

	if (!feature_names(sock, ifname, &all))
		return -EOPNOTSUPP;
	set.head.size = (all.head.len + 31) / 32;
	for (size_t i = 0; i < w->n; i++) {
		int bit = w->which >> i & 1 ? feature_bit(&all, w->names[i]) : -1;

		if (bit < 0)
			continue;
		set.block[bit / 32].valid |= 1u << (bit % 32);
		if (w->on)
			set.block[bit / 32].requested |= 1u << (bit % 32);
	}
	return ethtool_ioctl(sock, ifname, &set);
}

int ethtool_set_features(int sock, uint32_t ifindex, const char *const *names, size_t n, uint32_t which, bool on)
{
	struct wish w = {names, n, which, on};

	return which ? by_name(sock, ifindex, write_features, &w) : 0;
}

/* OFPPF_* of the link modes whose speed OpenFlow has a bit for; faster or odder ones are OFPPF_OTHER. */
static uint32_t link_mode(int bit)
{
	switch (bit) {
	case ETHTOOL_LINK_MODE_10baseT_Half_BIT:
		return OFPPF_10MB_HD | OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_10baseT_Full_BIT:
		return OFPPF_10MB_FD | OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_100baseT_Half_BIT:
		return OFPPF_100MB_HD | OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_100baseT_Full_BIT:
		return OFPPF_100MB_FD | OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_1000baseT_Half_BIT:
		return OFPPF_1GB_HD | OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_1000baseT_Full_BIT:
		return OFPPF_1GB_FD | OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_1000baseX_Full_BIT:
		return OFPPF_1GB_FD | OFPPF_FIBER;
	case ETHTOOL_LINK_MODE_10000baseT_Full_BIT:
		return OFPPF_10GB_FD | OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_10000baseKX4_Full_BIT:
	case ETHTOOL_LINK_MODE_10000baseKR_Full_BIT:
		return OFPPF_10GB_FD;
	case ETHTOOL_LINK_MODE_10000baseCR_Full_BIT:
		return OFPPF_10GB_FD | OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_10000baseSR_Full_BIT:
	case ETHTOOL_LINK_MODE_10000baseLR_Full_BIT:
	case ETHTOOL_LINK_MODE_10000baseLRM_Full_BIT:
	case ETHTOOL_LINK_MODE_10000baseER_Full_BIT:
		return OFPPF_10GB_FD | OFPPF_FIBER;
	case ETHTOOL_LINK_MODE_40000baseCR4_Full_BIT:
		return OFPPF_40GB_FD | OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_40000baseSR4_Full_BIT:
	case ETHTOOL_LINK_MODE_40000baseLR4_Full_BIT:
		return OFPPF_40GB_FD | OFPPF_FIBER;
	case ETHTOOL_LINK_MODE_40000baseKR4_Full_BIT:
		return OFPPF_40GB_FD;
	case ETHTOOL_LINK_MODE_100000baseCR4_Full_BIT:
		return OFPPF_100GB_FD | OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_100000baseSR4_Full_BIT:
	case ETHTOOL_LINK_MODE_100000baseLR4_ER4_Full_BIT:
		return OFPPF_100GB_FD | OFPPF_FIBER;
	case ETHTOOL_LINK_MODE_100000baseKR4_Full_BIT:
		return OFPPF_100GB_FD;
	case ETHTOOL_LINK_MODE_TP_BIT:
		return OFPPF_COPPER;
	case ETHTOOL_LINK_MODE_FIBRE_BIT:
		return OFPPF_FIBER;
	case ETHTOOL_LINK_MODE_Autoneg_BIT:
		return OFPPF_AUTONEG;
	case ETHTOOL_LINK_MODE_Pause_BIT:
		return OFPPF_PAUSE;
	case ETHTOOL_LINK_MODE_Asym_Pause_BIT:
		return OFPPF_PAUSE_ASYM;
	case ETHTOOL_LINK_MODE_AUI_BIT:
	case ETHTOOL_LINK_MODE_MII_BIT:
	case ETHTOOL_LINK_MODE_BNC_BIT:
	case ETHTOOL_LINK_MODE_Backplane_BIT:
	case ETHTOOL_LINK_MODE_FEC_NONE_BIT:
	case ETHTOOL_LINK_MODE_FEC_RS_BIT:
	case ETHTOOL_LINK_MODE_FEC_BASER_BIT:
		return 0;
	default:
		return OFPPF_OTHER;
	}
}

static uint32_t link_modes(const uint32_t *map, int words)
{
	uint32_t features = 0;

	for (int i = 0; i < words * 32; i++)
		if (map[i / 32] >> (i % 32) & 1)
			features |= link_mode(i);
	return features;
}

static uint32_t speed_feature(uint32_t mbps, bool full)
{
	switch (mbps) {
	case 10:
		return full ? OFPPF_10MB_FD : OFPPF_10MB_HD;
	case 100:
		return full ? OFPPF_100MB_FD : OFPPF_100MB_HD;
	case 1000:
		return full ? OFPPF_1GB_FD : OFPPF_1GB_HD;
	case 10000:
		return OFPPF_10GB_FD;
	case 40000:
		return OFPPF_40GB_FD;
	case 100000:
		return OFPPF_100GB_FD;
	case 1000000:
		return OFPPF_1TB_FD;
	default:
		return OFPPF_OTHER;
	}
}

static uint32_t max_speed(uint32_t features)
{
	static const uint32_t kbps[] = {10000,	 10000,	   100000,   100000,	1000000,
					1000000, 10000000, 40000000, 100000000, 1000000000};

	for (int i = ARRAY_LEN(kbps) - 1; i >= 0; i--)
		if (features >> i & 1)
			return kbps[i];
	return 0;
}

static int describe(int sock, const char *ifname, void *aux)
{
	struct {
		struct ethtool_link_settings s;
		uint32_t maps[3 * LINK_MODE_WORDS_MAX];
	} get = {.s = {.cmd = ETHTOOL_GLINKSETTINGS}};
	struct of_port *port = aux;
	int words;

	port->curr = port->advertised = port->supported = port->peer = port->curr_speed = port->max_speed = 0;
	/* The first call only asks how many words the kernel's bitmaps have (told negative). */
	if (ethtool_ioctl(sock, ifname, &get) || get.s.link_mode_masks_nwords >= 0)
		return 0;
	words = -get.s.link_mode_masks_nwords;
	get.s = (struct ethtool_link_settings){.cmd = ETHTOOL_GLINKSETTINGS, .link_mode_masks_nwords = (int8_t)words};
	if (ethtool_ioctl(sock, ifname, &get))
		return 0;
	port->supported = link_modes(get.maps, words);
	port->advertised = link_modes(get.maps + words, words);
	port->peer = link_modes(get.maps + 2 * words, words);
	if (get.s.speed && get.s.speed != (uint32_t)SPEED_UNKNOWN) {
		port->curr = speed_feature(get.s.speed, get.s.duplex != DUPLEX_HALF);
		port->curr_speed = get.s.speed > UINT32_MAX / 1000 ? UINT32_MAX : get.s.speed * 1000;
	}
	if (get.s.port == PORT_TP || get.s.port == PORT_DA)
		port->curr |= OFPPF_COPPER;
	else if (get.s.port == PORT_FIBRE)
		port->curr |= OFPPF_FIBER;
	if (get.s.autoneg == AUTONEG_ENABLE)
		port->curr |= OFPPF_AUTONEG;
	port->max_speed = max_speed(port->supported);
	if (port->max_speed < port->curr_speed)
		port->max_speed = port->curr_speed;
	return 0;
}

void ethtool_describe(int sock, uint32_t ifindex, struct of_port *port)
{
	by_name(sock, ifindex, describe, port);
}
