// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: the one place where they are made from trace.h. Owns nothing
 * else; no locks; nothing sleeps.
 */
#define CREATE_TRACE_POINTS
#include "trace.h"
