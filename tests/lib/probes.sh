# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the compile probes of the module answer, against tables of what they
# should. Source it.

# compare TABLE COLUMN CONFIG.H: prints a line for each difference between what
# the table expects and what the probes answered.
compare() {
	awk -v series="$2" -v table="$1" '
		FNR == NR && (/^#/ || !NF) { next }
		FNR == NR && !column {
			for (i = 2; i <= NF; i++)
				if ($i == series)
					column = i
			if (!column) {
				print "no column " series " in " table
				exit
			}
			next
		}
		FNR == NR { want[$1] = $column; next }
		/^#define HVP_HAVE_/ {
			probe = tolower(substr($2, 10))
			seen[probe] = 1
			if (!(probe in want))
				print probe ": no row in " table
			else if (want[probe] != $3)
				print probe " is " $3 ", expected: " want[probe]
		}
		END {
			for (probe in want)
				if (!(probe in seen))
					print probe ": was not probed"
		}' "$1" "$3"
}
