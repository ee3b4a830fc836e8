# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# TAP for test scripts on the host side. Source it; end the script with
# done_testing. What failed, and why, is said on standard error: prove lets
# that through.

tap_count=0
tap_failed=0

# result STATUS NAME: one check; passes if STATUS is 0.
result() {
	tap_count=$((tap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_count - $2"
	else
		echo "not ok $tap_count - $2"
		diag "${0##*/}: failed: $2"
		tap_failed=$((tap_failed + 1))
		return 1
	fi
}

note() { printf '%s\n' "$*" | sed 's/^/# /'; }
diag() { note "$@" >&2; }

# is GOT WANTED NAME
is() {
	[ "$1" = "$2" ]
	result $? "$3" || { diag "got:    '$1'"; diag "wanted: '$2'"; return 1; }
}

# like TEXT REGEX NAME, unlike TEXT REGEX NAME: some line matches; none does
like() {
	printf '%s\n' "$1" | grep -qE -- "$2"
	result $? "$3" || { diag "no match of '$2' in:"; diag "$1"; return 1; }
}
unlike() {
	! printf '%s\n' "$1" | grep -qE -- "$2"
	result $? "$3" || {
		diag "'$2' matches:"
		diag "$(printf '%s\n' "$1" | grep -E -- "$2")"
		return 1
	}
}

# runs NAME COMMAND...: passes if COMMAND ends with 0; shows its end if not.
# Leaves its output in $output and its exit code in $code.
runs() {
	local name=$1
	shift
	output=$("$@" 2>&1)
	code=$?
	result $code "$name" || {
		diag "exit code $code of: $*"
		diag "$(printf '%s\n' "$output" | tail -n 30)"
		return 1
	}
}

done_testing() {
	echo "1..$tap_count"
	[ $tap_failed = 0 ]
	exit
}

bail_out() {
	echo "Bail out! $*"
	exit 1
}
