package integration

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// borderInside runs the program in the namespace of a home; its API is reached by a way of its own.
func (l *natLab) borderInside(space, dir string) *border {
	l.t.Helper()
	link, n := l.name("m"), byte(l.n)
	ours, theirs := fmt.Sprintf("10.%d.%d.129", l.inner, n), fmt.Sprintf("10.%d.%d.130", l.inner, n)
	l.ip("link", "add", link, "type", "veth", "peer", "name", "manage", "netns", space)
	l.ip("addr", "add", ours+"/32", "peer", theirs, "dev", link)
	l.ip("link", "set", link, "up")
	l.ip("-n", space, "addr", "add", theirs+"/32", "peer", ours, "dev", "manage")
	l.ip("-n", space, "link", "set", "manage", "up")
	c := &child{t: l.t, bin: "ip", key: token.New(), args: []string{
		"netns", "exec", space, buildBinary(l.t), "serve", "-data-dir", dir, "-api-address", theirs + ":0", "-log-level", "error", "-node", "inside",
	}}
	c.start()
	l.t.Cleanup(func() { c.kill() })
	return &border{t: l.t, Client: c.api}
}

// each has registrants kept alive each second, which the API lets nobody: it is written as another node would write it.
func (b *border) each(dir string, ids ...string) {
	b.t.Helper()
	store := openStore(b.t, dir)
	before := b.metric("sbc_config_revision")
	err := store.Update(b.t.Context(), func(tx sbc.Tx) error {
		for _, id := range ids {
			r, err := tx.Get(sbc.KindRegistrant, "", id)
			if err != nil {
				return err
			}
			r.(*sbc.Registrant).KeepAlive.IntervalS = 1
			if err := tx.Put(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		b.t.Fatal(err)
	}
	waitFor(b.t, func() bool { return b.metric("sbc_config_revision") > before }, "the written interval in force")
}

// TestRegistrantBehindNAT: the border is behind a NAT that forgets within 2 s, its carrier is Kamailio. Calls arrive long after, by a
// binding that is kept open with four octets, with OPTIONS, and by a connection with CRLF; by one that is not kept they do not.
func TestRegistrantBehindNAT(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	l := newNATLab(t, false)
	l.forget = 2
	space, _ := l.home(portRestricted, 16)
	core := netip.AddrPortFrom(l.bound[0], 5060)
	startKamailio(t, "carrier.cfg", "-l", "udp:"+core.String(), "-l", "tcp:"+core.String())
	dir := t.TempDir()
	b := l.borderInside(space, dir)
	realm := b.create("/realms", rest.Object{"name": "east", "trust": "peer"})
	b.create("/media-pools", rest.Object{"name": "east", "realm_id": realm, "address": insidePhone, "port_min": 30000, "port_max": 30099})
	plan := b.create("/routing-plans", rest.Object{"name": "busy"})
	b.create("/routing-plans/"+plan+"/rules", rest.Object{"name": "busy", "prefix": "", "action": "reject", "reject_code": 486})
	trunk := b.create("/trunks", rest.Object{"name": "east", "realm_id": realm, "routing_plan_id": plan})
	type way struct{ name, transport, mode string }
	ways := []way{{"nothing", "udp", "off"}, {"octets", "udp", "udp"}, {"options", "udp", "options"}, {"stream", "tcp", "udp"}}
	var ids []string
	for i, k := range ways {
		iface := b.create("/sip-interfaces", rest.Object{
			"name": k.name, "realm_id": realm, "transport": k.transport, "bind_address": insidePhone, "port": 5060 + i,
		})
		ids = append(ids, b.create("/trunks/"+trunk+"/registrants", rest.Object{
			"name": k.name, "registrar": l.bound[0].String(), "transport": k.transport, "aor_user": "49" + fmt.Sprint(i), "aor_domain": "core.example",
			"sip_interface_id": iface, "credentials": rest.Object{"password": password}, "keep_alive": rest.Object{"mode": k.mode, "interval_s": 5},
		}))
	}
	registered := func() {
		t.Helper()
		for _, id := range ids {
			b.registrant("/v1/trunks/"+trunk+"/registrants/"+id, sbc.RegistrantRegistered)
		}
	}
	registered()
	b.each(dir, ids[1:]...)
	registered()
	waitSince(t, time.Now(), 4*time.Second)
	carol, _ := speaker(t, l.bound[1], "carol", 400)
	for i, k := range ways {
		call, err := carol.Dial("49"+fmt.Sprint(i), core)
		if err != nil {
			t.Fatal(err)
		}
		code, err := call.Final(patience(t, wirePatience))
		if err != nil || (code == 486) != (k.mode != "off") {
			t.Errorf("a call to what is kept open with %s is answered %d, %v", k.name, code, err)
		}
	}
}
