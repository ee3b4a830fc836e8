/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The version of the module and the tool: that of the file VERSION, as the
 * packages have it, too (tests/static/run compares).
 */
#ifndef HVP_VERSION_H
#define HVP_VERSION_H

#define HVP_VERSION "0.4.0"

#endif
