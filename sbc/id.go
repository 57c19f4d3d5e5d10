package sbc

import (
	"crypto/rand"
	"sync/atomic"
	"time"
)

// The prefixes of identifiers, one for each kind of thing that has one.
const (
	PrefixTenant       = "ten"
	PrefixAPIKey       = "key"
	PrefixRealm        = "rlm"
	PrefixSIPInterface = "sif"
	PrefixMediaPool    = "mpl"
	PrefixTrunk        = "trk"
	PrefixEndpoint     = "end"
	PrefixIdentity     = "idn"
	PrefixRoutingPlan  = "rpl"
	PrefixRule         = "rul"
	PrefixRouteList    = "rls"
	PrefixTarget       = "tgt"
	PrefixCall         = "call"
	PrefixCDR          = "cdr"
	PrefixAudit        = "aud"
	PrefixRequest      = "req"
	PrefixEvent        = "evt"

	PrefixSignallingProfile = "sgp"
	PrefixMediaProfile      = "mdp"
	PrefixHeaderProfile     = "hdp"
	PrefixLimitProfile      = "lmp"
	PrefixAnnouncement      = "ann"

	PrefixDomain       = "dom"
	PrefixSubscriber   = "sub"
	PrefixAlias        = "als"
	PrefixAccessRule   = "acr"
	PrefixGroup        = "grp"
	PrefixNumberList   = "nls"
	PrefixFloodProfile = "flp"
	PrefixRegistration = "reg"
	PrefixBan          = "ban"
	PrefixMessage      = "vmm"
	PrefixJob          = "job"

	PrefixDialplan        = "dpl"
	PrefixTimeProfile     = "tpr"
	PrefixHolidayCalendar = "hol"
	PrefixNumberPlan      = "npl"
	PrefixNumber          = "num"
	PrefixRateDeck        = "rdk"
	PrefixQualityProfile  = "qpr"
	PrefixRegistrant      = "rgt"

	PrefixCertificateAuthority = "cau"
	PrefixCertificate          = "crt"
	PrefixTLSProfile           = "tls"
)

// crockford is the alphabet of Crockford's base 32: no i, l, o, u, so that an identifier can be read out on the telephone.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// lastID keeps identifiers made in one millisecond in order: it holds the last time stamp handed out, in microseconds.
var lastID atomic.Int64

// NewID returns prefix_ followed by 26 characters that sort by the time of their making: 55 bits of microseconds since 1970,
// strictly rising within one process, and 75 random bits.
func NewID(prefix string) string {
	now := time.Now().UnixMicro()
	for {
		last := lastID.Load()
		if now <= last {
			now = last + 1
		}
		if lastID.CompareAndSwap(last, now) {
			break
		}
	}
	var random [15]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	return prefix + "_" + encodeID(uint64(now), random)
}

// encodeID spells 11 characters of time and 15 of chance.
func encodeID(micros uint64, random [15]byte) string {
	var id [26]byte
	for i := range 11 {
		id[i] = crockford[micros>>uint(50-5*i)&31]
	}
	for i, b := range random {
		id[11+i] = crockford[b&31]
	}
	return string(id[:])
}
