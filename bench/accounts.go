package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/storage"
)

const (
	// phoneDomain is the domain of the phones and the realm of their passwords.
	phoneDomain = "bench.example"
	// accountsAtOnce are written in one transaction, so that whoever else writes waits for a moment only.
	accountsAtOnce = 5000
	// noticed is how long after a write by another process a server has surely heard of it (2 s) and looked it up.
	noticed = 4 * time.Second
)

// username is the name of phone i, and password its secret. testdata/kamailio-registrar.cfg makes the same ones.
func username(i int) string { return strconv.Itoa(10_000_000 + i) }
func password(i int) string { return "secret-" + username(i) }

// secretHash is what a registrar keeps of a password (RFC 7616 3.4.2, A1).
func secretHash(i int) string {
	sum := md5.Sum([]byte(username(i) + ":" + phoneDomain + ":" + password(i)))
	return hex.EncodeToString(sum[:])
}

// startRegistrar starts Sallyport as the registrar of a domain with -registrations subscribers in its store.
func (p *plan) startRegistrar(ctx context.Context, s *server) error {
	data, client, err := p.startBinary(ctx, s)
	if err != nil {
		return err
	}
	domain, err := provisionDomain(ctx, client)
	if err != nil {
		return fmt.Errorf("provisioning: %w", err)
	}
	if err := p.subscribe(ctx, data, domain); err != nil {
		return fmt.Errorf("subscribers: %w", err)
	}
	time.Sleep(noticed)
	return nil
}

// provisionDomain makes a domain for phones, and gives its id.
func provisionDomain(ctx context.Context, client rest.Client) (id string, err error) {
	script := rest.Script{Client: client, Ctx: ctx}
	create := func(path string, body rest.Object) string { return script.Create("/v1"+path, body) }
	realm := create("/realms", rest.Object{"name": "phones", "trust": "access"})
	create("/sip-interfaces", rest.Object{"name": "udp", "realm_id": realm, "transport": "udp", "bind_address": borderHost, "port": sipPort})
	// The peer offers MD5 alone, and has no guard: ours stays as it is, with its windows, bans and budgets.
	id = create("/domains", rest.Object{"name": phoneDomain, "realm_id": realm, "digest": rest.Object{"algorithms": []string{"MD5"}}})
	return id, script.Err
}

// subscribe writes the subscribers into the store that the server has open, as another node of it would.
func (p *plan) subscribe(ctx context.Context, data, domainID string) error {
	store, err := storage.Open(ctx, "sqlite://"+filepath.Join(data, "sallyport.db"), storage.Options{NoMigrate: true})
	if err != nil {
		return err
	}
	defer store.Close()
	for from := 0; from < p.phones; from += accountsAtOnce {
		if err := store.Update(ctx, func(tx sbc.Tx) error {
			return putAccounts(tx, domainID, from, min(from+accountsAtOnce, p.phones))
		}); err != nil {
			return err
		}
	}
	return nil
}

// putAccounts writes the subscribers from one to below another.
func putAccounts(tx sbc.Tx, domainID string, from, to int) error {
	found, err := tx.Get(sbc.KindDomain, sbc.DefaultTenantID, domainID)
	if err != nil {
		return err
	}
	domain, ok := found.(*sbc.Domain)
	if !ok {
		return fmt.Errorf("%s is no domain", domainID)
	}
	list := make([]sbc.Resource, 0, to-from)
	for i := from; i < to; i++ {
		a := &sbc.Subscriber{}
		a.Defaults()
		a.TenantID, a.DomainID, a.Enabled = sbc.DefaultTenantID, domainID, true
		a.Name, a.Username, a.Password = username(i), username(i), password(i)
		a.Seal(domain)
		list = append(list, a)
	}
	refused, err := tx.PutAll(list)
	if err != nil {
		return err
	}
	for _, fault := range refused {
		return fault
	}
	return nil
}

// startKamailioRegistrar starts Debian's Kamailio with testdata/kamailio-registrar.cfg.
func (p *plan) startKamailioRegistrar(_ context.Context, s *server) error {
	config, err := p.testdata("kamailio-registrar.cfg")
	if err != nil {
		return err
	}
	return s.run(p.dir, "kamailio", "-DD", "-E", "-m", "1024", "-A", "PHONES="+strconv.Itoa(p.phones), "-f", config)
}
