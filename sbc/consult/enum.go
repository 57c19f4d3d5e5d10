package consult

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// enumPatience is how long DNS is waited for.
const enumPatience = time.Second

// enum looks a number up in DNS. What DNS says is kept by the resolver, for as long as DNS says.
func (c *Consultant) enum(q *route.Ask, done func(*route.Answer)) {
	c.mu.Lock()
	crowded := c.o.ENUM == nil || c.asking >= c.o.Most
	if !crowded {
		c.asking++
	}
	c.mu.Unlock()
	if crowded {
		done(&route.Answer{Why: "DNS cannot be asked now: the next rule decides"})
		return
	}
	go func() {
		answer := c.lookUp(q)
		c.mu.Lock()
		c.asking--
		c.mu.Unlock()
		c.tell(done, answer)
	}()
}

// lookUp asks DNS within a time.
func (c *Consultant) lookUp(q *route.Ask) (answer *route.Answer) {
	defer func() {
		if r := recover(); r != nil {
			c.o.Log.Error("looking a number up panicked", "panic", r, "stack", string(debug.Stack()))
			answer = &route.Answer{Why: "looking the number up failed: the next rule decides"}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), enumPatience)
	defer cancel()
	uris, err := c.o.ENUM(ctx, q.Number, q.ENUMSuffix)
	if err != nil {
		c.metrics.asked.WithLabelValues("failed").Inc()
		return &route.Answer{Why: "DNS does not answer for the number: the next rule decides"}
	}
	c.metrics.asked.WithLabelValues("answered").Inc()
	hosts := hostsOf(uris)
	if len(hosts) == 0 {
		return &route.Answer{Why: "DNS has no SIP address for the number below " + q.ENUMSuffix + ": the next rule decides"}
	}
	return &route.Answer{Action: sbc.ActionRoute, Hosts: hosts, Why: fmt.Sprintf("DNS has %d SIP addresses for the number", len(hosts))}
}

// hostsOf reads SIP URIs that a zone named; those that cannot be called are left out.
func hostsOf(uris []string) []route.Host {
	var hosts []route.Host
	for _, s := range uris {
		u, err := msg.ParseURI(s)
		number := u.Number()
		if err != nil || !strings.EqualFold(u.Scheme, "sip") || number == "" || !dialled.MatchString(number) || !sbc.ValidHost(u.Host) {
			continue
		}
		h := route.Host{Number: number, Address: u.Host, Port: u.Port}
		switch transport, there := u.Param("transport"); {
		case !there:
		case strings.EqualFold(transport, string(sbc.TransportUDP)):
			h.Transport = sbc.TransportUDP
		case strings.EqualFold(transport, string(sbc.TransportTCP)):
			h.Transport = sbc.TransportTCP
		case strings.EqualFold(transport, string(sbc.TransportTLS)):
			h.Transport = sbc.TransportTLS
		default:
			continue
		}
		if h.Port < 0 || h.Port > 65535 {
			continue
		}
		hosts = append(hosts, h)
	}
	return hosts
}
