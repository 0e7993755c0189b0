/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UTIL_VERSION_H
#define UTIL_VERSION_H

#define OFXDP_VERSION "0.1"

#endif
