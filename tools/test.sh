#!/usr/bin/env bash
# All tests of Sallyport: bash tools/test.sh
#
# Installs the peers that the tests call (SIPp, baresip, tshark, PostgreSQL, …) from Debian's packages when it may, and says
# which tests will be skipped when it may not. Then: formatting, vet, generated code, every package under the race detector, and
# the tests that count allocations without it.
set -euo pipefail
cd "$(dirname "$0")/.."

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
go test -race -shuffle=on -timeout 14m ./...

echo "== allocations, memory and delays, without the race detector"
SALLYPORT_MIXED_CALLS=100000 go test -run 'Alloc|Memory|ListMany' -timeout 5m ./sbc/... ./media/...

echo "== floods and overload, without the race detector"
go test -run 'TestGoodput|TestJunkFromForgedSources|TestSipsakFlood|TestSIPpRegisters|TestImportOfMany' -timeout 3m ./sbc/edge ./integration
