#!/usr/bin/env bash
# All tests of Sallyport: bash tools/test.sh
#
# Installs the peers that the tests call (SIPp, baresip, tshark, PostgreSQL, …) from Debian's packages when it may, and says
# which tests will be skipped when it may not. Then: formatting, vet, generated code, every package under the race detector, and
# the tests that count allocations without it. A test that fails is run once more, alone: dozens of SIPps and the border share a few
# processors, and one that was not given its turn in time is no fault of the border. What fails twice is, and so is every data race
# and every panic. What passed only alone is listed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
alone=""

# tests runs go test and, once more, what failed: tests FLAGS -- PACKAGES
tests() {
	local flags=()
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	if go test "${flags[@]}" "$@" 2>&1 | tee "$log"; then
		return
	fi
	if grep -qE '^(WARNING: DATA RACE|panic:|fatal error:)|\[(build|setup) failed\]' "$log"; then
		exit 1
	fi
	# "package Test1|Test2" for each that failed
	local failed package names
	failed=$(awk '/^--- FAIL: /{names = names (names ? "|" : "") $3} /^ok /{names = ""} /^FAIL\t/{print $2, names; names = ""}' "$log")
	while read -r package names; do
		[ -n "$names" ] || exit 1
		echo "== once more, alone: $package $names"
		go test "${flags[@]}" -run "^($names)\$" "$package"
		alone="$alone $names"
	done <<<"$failed"
}

# command:package — what is called, and where it comes from.
peers="sipp:sip-tester baresip:baresip-core tshark:tshark ip:iproute2 nft:nftables sox:sox sipsak:sipsak \
turnutils_stunclient:coturn dnsmasq:dnsmasq-base svmap:sipvicious linphone-daemon:linphone-cli kamailio:kamailio"
missing=""
for peer in $peers; do
	command -v "${peer%%:*}" >/dev/null 2>&1 || missing="$missing ${peer##*:}"
done
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing="$missing postgresql"

if [ -n "$missing" ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		echo "installing:$missing"
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq >/dev/null
		# shellcheck disable=SC2086
		apt-get install -y -qq --no-install-recommends $missing >/dev/null
	else
		echo "NOT INSTALLED:$missing — the tests that need them are skipped."
		echo "As root on Debian: apt-get install$missing"
	fi
fi

echo "== formatting and vet"
unformatted=$(gofmt -l $(git ls-files '*.go' | grep -v '/gen/' || true))
if [ -n "$unformatted" ]; then
	echo "not formatted: $unformatted"
	exit 1
fi
go vet ./...

echo "== tests under the race detector"
tests -race -shuffle=on -timeout 20m -- ./...

echo "== allocations, memory and delays, without the race detector"
SALLYPORT_MIXED_CALLS=100000 tests -run 'Alloc|Memory|ListMany' -timeout 5m -- ./sbc/... ./media/...

echo "== floods and overload, without the race detector"
tests -run 'TestGoodput|TestJunkFromForgedSources|TestSipsakFlood|TestSIPpRegisters|TestImportOfMany' -timeout 3m -- ./sbc/edge ./integration

[ -z "$alone" ] || echo "passed only alone:$alone"
