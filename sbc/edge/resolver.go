package edge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/sallyport/sallyport/sbc"
)

// Address is one place a request may be sent to.
type Address struct {
	// Addr holds an unmapped address and a port.
	Addr      netip.AddrPort
	Transport sbc.Transport
}

// Resolver finds the addresses of a host in the order in which they are to be tried (RFC 3263 4). A port of 0 and an empty
// transport mean that the caller named none. The error wraps ErrNoAddress if the name exists without a usable record.
type Resolver interface {
	Lookup(ctx context.Context, host string, port int, transport sbc.Transport) ([]Address, error)
}

// ErrNoAddress says that a name has no record that could be used.
var ErrNoAddress = errors.New("no address")

const (
	sipPort         = 5060 // RFC 3261 19.1.2
	sipsPort        = 5061
	lookupBudget    = 2 * time.Second
	maxServices     = 32 // SRV records looked at
	maxAddresses    = 32 // addresses answered
	maxAliases      = 8  // CNAMEs followed
	defaultCacheMax = 10_000
)

// ResolverOptions say whom to ask. The zero value is what the machine's own files say.
type ResolverOptions struct {
	// Servers are DNS servers as "address:port"; without any those of ResolvConf are asked.
	Servers []string
	// ResolvConf and Hosts are files; empty means /etc/resolv.conf and /etc/hosts, "-" means none.
	ResolvConf, Hosts string
	// CacheMax bounds the answers kept (10,000); Budget bounds one Lookup (2 s).
	CacheMax int
	Budget   time.Duration
	// Rand chooses among weights (RFC 2782); nil is math/rand/v2.
	Rand func(n int) int
}

// DNS is the Resolver that asks DNS servers. Answers are cached for their time to live; an answer that has run out is still
// served, for up to a day, while no server answers. It may be used by several goroutines at once.
type DNS struct {
	cache  *dnsCache
	hosts  *hostsFile
	budget time.Duration
	rand   func(n int) int
	search *dns.ClientConfig
}

// NewResolver reads the machine's files and makes a resolver.
func NewResolver(o ResolverOptions) (*DNS, error) {
	conf, err := clientConfig(o)
	if err != nil {
		return nil, fmt.Errorf("resolver: %w", err)
	}
	d := &DNS{hosts: newHostsFile(o.Hosts), budget: o.Budget, rand: o.Rand, search: conf}
	if d.budget <= 0 {
		d.budget = lookupBudget
	}
	if d.rand == nil {
		d.rand = rand.IntN
	}
	limit := o.CacheMax
	if limit <= 0 {
		limit = defaultCacheMax
	}
	servers := o.Servers
	if len(servers) == 0 {
		for _, s := range conf.Servers {
			servers = append(servers, joinPort(s, conf.Port))
		}
	}
	d.cache = newDNSCache(limit, d.budget, &exchanger{servers: servers})
	return d, nil
}

// clientConfig reads resolv.conf; a machine without one asks itself, as resolv.conf(5) says.
func clientConfig(o ResolverOptions) (*dns.ClientConfig, error) {
	own := &dns.ClientConfig{Servers: []string{"127.0.0.1"}, Port: "53", Ndots: 1}
	path := o.ResolvConf
	switch path {
	case "-":
		return own, nil
	case "":
		path = "/etc/resolv.conf"
	}
	conf, err := dns.ClientConfigFromFile(path)
	switch {
	case err != nil && o.ResolvConf == "":
		return own, nil
	case err != nil:
		return nil, err
	case len(conf.Servers) == 0:
		conf.Servers = own.Servers
	}
	return conf, nil
}

// Literal answers for a host that is an IP address already (RFC 3263 4.1: no query is made).
func Literal(host string, port int, transport sbc.Transport) (Address, bool) {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	a, err := netip.ParseAddr(host)
	if err != nil || port < 0 || port > 65535 {
		return Address{}, false
	}
	if port == 0 {
		port = int(defaultPort(transport))
	}
	return Address{netip.AddrPortFrom(a.Unmap(), uint16(port)), orUDP(transport)}, true
}

// Lookup follows RFC 3263 4: an address literal is taken as it is, a port forbids SRV, a transport forbids NAPTR. It takes at
// most the budget and gives at most 32 addresses.
func (d *DNS) Lookup(ctx context.Context, host string, port int, transport sbc.Transport) ([]Address, error) {
	if a, ok := Literal(host, port, transport); ok {
		return []Address{a}, nil
	}
	if _, ok := dns.IsDomainName(host); !ok || host == "" {
		return nil, fmt.Errorf("%q: %w", host, ErrNoAddress)
	}
	ctx, cancel := context.WithTimeout(ctx, d.budget)
	defer cancel()
	if a := d.hosts.lookup(host); len(a) > 0 {
		return withPort(a, port, transport), nil
	}
	if port != 0 {
		return d.hostAddresses(ctx, host, port, transport)
	}
	found, err := d.services(ctx, host, transport)
	if err != nil || len(found) > 0 {
		return found, err
	}
	return d.hostAddresses(ctx, host, 0, transport)
}

// services asks for NAPTR where no transport was named, then for SRV. No answer and no error means: no such records.
func (d *DNS) services(ctx context.Context, host string, transport sbc.Transport) ([]Address, error) {
	type service struct {
		name      string
		transport sbc.Transport
	}
	var order []service
	if transport == "" {
		records, err := d.cache.get(ctx, question{dns.Fqdn(host), dns.TypeNAPTR})
		if err != nil && !errors.Is(err, ErrNoAddress) {
			return nil, fmt.Errorf("NAPTR of %s: %w", host, err)
		}
		for _, n := range sortNAPTR(records) {
			order = append(order, service{n.Replacement, naptrTransport(n.Service)})
		}
	}
	if len(order) == 0 {
		for _, s := range []service{
			{"_sip._udp.", sbc.TransportUDP}, {"_sip._tcp.", sbc.TransportTCP}, {"_sips._tcp.", sbc.TransportTLS},
		} {
			if transport == s.transport || transport == "" && s.transport != sbc.TransportTLS { // sips asks for TLS by name
				order = append(order, service{s.name + dns.Fqdn(host), s.transport})
			}
		}
	}
	var found []Address
	for _, s := range order {
		more, err := d.srv(ctx, s.name, s.transport)
		if err != nil && len(found) == 0 {
			return nil, err
		}
		found = append(found, more...)
	}
	return clip(found), nil
}

// srv gives the addresses behind one SRV name, in the order of RFC 2782.
func (d *DNS) srv(ctx context.Context, name string, transport sbc.Transport) ([]Address, error) {
	records, err := d.cache.get(ctx, question{dns.Fqdn(name), dns.TypeSRV})
	if errors.Is(err, ErrNoAddress) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("SRV %s: %w", name, err)
	}
	var found []Address
	var failed error
	for _, s := range orderSRV(records, d.rand) {
		if s.Target == "." { // RFC 2782: the service is decidedly not available
			continue
		}
		more, err := d.hostAddresses(ctx, s.Target, int(s.Port), transport)
		if err != nil {
			failed = err
		}
		found = append(found, more...)
		if len(found) >= maxAddresses {
			break
		}
	}
	if len(found) == 0 && len(records) > 0 {
		if failed == nil {
			failed = ErrNoAddress
		}
		return nil, fmt.Errorf("SRV %s: %w", name, failed)
	}
	return found, nil
}

// hostAddresses asks for A and AAAA at once; IPv4 comes first, because that is what nearly all peers are reached by.
func (d *DNS) hostAddresses(ctx context.Context, host string, port int, transport sbc.Transport) ([]Address, error) {
	if a, ok := Literal(strings.TrimSuffix(host, "."), port, transport); ok {
		return []Address{a}, nil
	}
	if a := d.hosts.lookup(host); len(a) > 0 {
		return withPort(a, port, transport), nil
	}
	var last error
	for _, name := range d.search.NameList(host) {
		six := make(chan answer, 1)
		go func() {
			defer func() {
				if r := recover(); r != nil {
					six <- answer{err: fmt.Errorf("panic: %v", r)}
				}
			}()
			records, err := d.cache.get(ctx, question{name, dns.TypeAAAA})
			six <- answer{records, err}
		}()
		four, err := d.cache.get(ctx, question{name, dns.TypeA})
		other := <-six
		if found := addresses(slices.Concat(four, other.records)); len(found) > 0 {
			return withPort(found, port, transport), nil
		}
		last = pickError(err, other.err)
	}
	return nil, fmt.Errorf("address of %s: %w", host, last)
}

// answer is what one query gave.
type answer struct {
	records []dns.RR
	err     error
}

// pickError prefers the error that says the servers failed over the one that says there is nothing.
func pickError(a, b error) error {
	for _, e := range []error{a, b} {
		if e != nil && !errors.Is(e, ErrNoAddress) {
			return e
		}
	}
	return ErrNoAddress
}

// addresses takes the address out of each A and AAAA record.
func addresses(records []dns.RR) []netip.Addr {
	var found []netip.Addr
	for _, r := range records {
		var a netip.Addr
		switch r := r.(type) {
		case *dns.A:
			a, _ = netip.AddrFromSlice(r.A)
		case *dns.AAAA:
			a, _ = netip.AddrFromSlice(r.AAAA)
		}
		if a.IsValid() && len(found) < maxAddresses {
			found = append(found, a.Unmap())
		}
	}
	return found
}

func withPort(found []netip.Addr, port int, transport sbc.Transport) []Address {
	if port == 0 {
		port = int(defaultPort(transport))
	}
	out := make([]Address, 0, len(found))
	for _, a := range found {
		out = append(out, Address{netip.AddrPortFrom(a, uint16(port)), orUDP(transport)})
	}
	return clip(out)
}

// defaultPort is the port of who names none (RFC 3261 19.1.2).
func defaultPort(t sbc.Transport) uint16 {
	if t == sbc.TransportTLS {
		return sipsPort
	}
	return sipPort
}

func clip(a []Address) []Address { return a[:min(len(a), maxAddresses)] }

func orUDP(t sbc.Transport) sbc.Transport {
	if t == "" {
		return sbc.TransportUDP
	}
	return t
}
