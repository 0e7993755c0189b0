/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Results: 0 is success, a negative number an errno (our trouble), a positive one an OpenFlow error (the controller's
 * mistake) as of_error(type, code) with the numbers of OpenFlow 1.3.5 §7.4.4; other versions translate when encoding.
 */
#ifndef OPENFLOW_ERROR_H
#define OPENFLOW_ERROR_H

#include <stdint.h>

#define OF_ERROR(type, code) (0x40000000 | (type) << 16 | (code))

static inline uint16_t of_error_type(int error)
{
	return (error >> 16) & 0x3fff;
}
static inline uint16_t of_error_code(int error)
{
	return error & 0xffff;
}
/* "OFPET_FLOW_MOD_FAILED OFPFMFC_OVERLAP", for logs; static memory. */
const char *of_error_name(int error);
/* The same error, with what it is about, for the log: static text.  One at a time is remembered, until it is asked for.
 */
int of_error_because(int error, const char *why);
/* NULL: none is known. */
const char *of_error_why(int error);

#endif
