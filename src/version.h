/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The version of all that is in this tree: module, tool and packages.
 */
#ifndef HVP_VERSION_H
#define HVP_VERSION_H

#define HVP_VERSION "0.4.0"

#endif
