package api

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// registered is a node that has every registrant but one.
func registered(id string, _ bool) (sbc.RegistrantStatus, bool) {
	due := time.Date(2026, 11, 22, 11, 2, 0, 0, time.UTC)
	return sbc.RegistrantStatus{State: sbc.RegistrantRejected, Since: due, Code: 403, NextAt: &due}, id != "rgt_off"
}

// TestRegisterNow: it is for registrants of the trunk that the path names.
func TestRegisterNow(t *testing.T) {
	t.Parallel()
	f := start(t)
	at := func(trunk, id string) string { return "/v1/trunks/" + trunk + "/registrants/" + id + "/register" }
	trunk, id := f.ids[sbc.KindTrunk], f.ids[sbc.KindRegistrant]
	if got := f.do("POST", at(trunk, id), "").is(200).json(); got["state"] != "rejected" || got["next_at"] != "2026-11-22T11:02:00Z" {
		t.Errorf("%v", got)
	}
	f.do("POST", at("trk_other", id), "").is(404)
	f.do("POST", at(trunk, "rgt_other"), "").is(404)
}
