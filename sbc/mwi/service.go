package mwi

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/notify"
)

// The event package and its body (RFC 3842 3.1, 5.1).
const (
	eventName = "message-summary"
	bodyType  = "application/simple-message-summary"
)

// The bounds of a subscription, in seconds, and of their number for a subscriber and in all.
const (
	usual, least, longest = 3600, 60, 7200
	perSubscriber         = 10
	maxSubscriptions      = 200_000
)

// Phone is where a subscriber registered.
type Phone struct {
	RegistrationID string
	URI            msg.URI
	Path           []string
	Target         msg.Target
}

// Wire sends requests; edge.Edge is one.
type Wire interface {
	Send(o msg.Outbound) msg.ClientTx
}

// Options are what a Service needs; all but ServerName and Log must be set.
type Options struct {
	Wire Wire
	// Count counts a mailbox's messages without waiting.
	Count func(subscriberID string, then func(sbc.VoicemailCount, error))
	// Find finds a subscriber without waiting.
	Find func(subscriberID string, done func(*sbc.Entry, error))
	// Domain finds a domain in service, nil if there is none.
	Domain func(id string) *sbc.Domain
	// Phones are those of a subscriber that can be reached.
	Phones     func(subscriberID string) []Phone
	ServerName string
	Log        *slog.Logger
}

// Service tells phones of messages. It is safe for concurrent use.
type Service struct {
	o Options

	mu    sync.Mutex
	tags  map[string]*subscription            // by our tag
	owner map[string]map[*subscription]string // by subscriber; the value is the tag
}

// New makes a Service without subscriptions.
func New(o Options) *Service {
	o.ServerName, o.Log = cmp.Or(o.ServerName, sbc.ServerName), cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return &Service{o: o, tags: map[string]*subscription{}, owner: map[string]map[*subscription]string{}}
}

// Admit decides on a request before a transaction exists for it; ok is false for those that are in no subscription of ours.
func (s *Service) Admit(req *msg.Message) (d msg.Decision, ok bool) {
	sub := s.find(req.To.Tag())
	switch {
	case sub == nil:
		return d, false
	case req.Method == msg.ACK:
		return msg.Decision{Action: msg.Silence}, true
	case sub.peer != req.Hop.Remote.Addr(): // whoever has learned the tags
		return msg.Decision{Action: msg.Refuse, Status: 481}, true
	}
	return msg.Decision{Action: msg.Serve}, true
}

// Handle takes a request within a subscription of ours; false for any other.
func (s *Service) Handle(tx msg.ServerTx, req *msg.Message) bool {
	sub := s.find(req.To.Tag())
	if sub == nil {
		return false
	}
	sub.request(tx, req)
	return true
}

// Subscribe takes the SUBSCRIBE of a subscriber to its own account; false for a request that is something else.
func (s *Service) Subscribe(tx msg.ServerTx, req *msg.Message, d *sbc.Domain, e *sbc.Entry) bool {
	if req.Method != msg.SUBSCRIBE || notify.Parse(req).Name != eventName || req.To.Tag() != "" {
		return false
	}
	refuse := func(code int, hs ...msg.Header) bool {
		s.respond(tx, s.response(req, code, hs...))
		return true
	}
	expires, code := span(req)
	switch {
	case !names(e, req.RequestURI.User):
		return refuse(403)
	case !e.Subscriber.VoicemailEnabled:
		return refuse(404)
	case code != 0:
		return refuse(code, msg.Header{Name: "Min-Expires", Value: strconv.Itoa(least)})
	case !accepts(req):
		return refuse(406)
	}
	tag := msg.NewTag()
	dlg, err := dialog.NewUAS(req, tag)
	if err != nil {
		return refuse(400)
	}
	sub := &subscription{
		s: s, d: dlg, tag: tag, user: msg.NewTag(), id: e.Subscriber.ID, event: notify.Parse(req).String(),
		account: "sip:" + e.Subscriber.Username + "@" + d.Name, peer: req.Hop.Remote.Addr(),
	}
	if expires > 0 && !s.add(sub) {
		return refuse(503, msg.Header{Name: "Retry-After", Value: "60"})
	}
	sub.accept(tx, req, expires)
	return true
}

// names tells whether a user part means the subscriber: nobody else's messages are anybody's business.
func names(e *sbc.Entry, user string) bool {
	if user == "" || strings.EqualFold(user, e.Subscriber.Username) {
		return true
	}
	for i := range e.Aliases {
		if strings.EqualFold(user, e.Aliases[i].Name) {
			return true
		}
	}
	return false
}

// span is how long a subscription is to last, in seconds; the code is that of a refusal (RFC 6665 4.2.1.1).
func span(req *msg.Message) (seconds, code int) {
	asked := notify.Seconds(req.Get("Expires"))
	switch {
	case asked < 0:
		return usual, 0
	case asked > 0 && asked < least:
		return 0, 423
	}
	return min(asked, longest), 0
}

// accepts tells whether the body can be read by who asks (RFC 3842 3.5).
func accepts(req *msg.Message) bool {
	all := req.Values("Accept")
	for _, v := range all {
		kind, _, _ := strings.Cut(v, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case bodyType, "application/*", "*/*":
			return true
		}
	}
	return len(all) == 0
}

func (s *Service) find(tag string) *subscription {
	if tag == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tags[tag]
}

// add makes a subscription findable unless there are too many.
func (s *Service) add(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tags) >= maxSubscriptions || len(s.owner[sub.id]) >= perSubscriber {
		return false
	}
	s.tags[sub.tag] = sub
	if s.owner[sub.id] == nil {
		s.owner[sub.id] = map[*subscription]string{}
	}
	s.owner[sub.id][sub] = sub.tag
	return true
}

func (s *Service) remove(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tags, sub.tag)
	delete(s.owner[sub.id], sub)
	if len(s.owner[sub.id]) == 0 {
		delete(s.owner, sub.id)
	}
}

// of lists the subscriptions of a subscriber.
func (s *Service) of(subscriberID string) (list []*subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.owner[subscriberID] {
		list = append(list, sub)
	}
	return list
}

// Arrived tells phones of a subscriber that have just registered, if there are messages and they did not subscribe: those that did
// know. It does not block.
func (s *Service) Arrived(sub *sbc.Subscriber, registrationIDs []string) {
	d := s.o.Domain(sub.DomainID)
	if !sub.VoicemailEnabled || d == nil || d.Voicemail.MWISubscribedOnly {
		return
	}
	s.o.Count(sub.ID, func(n sbc.VoicemailCount, err error) {
		switch {
		case err != nil: // many come at once, and it is told with the next change
			s.o.Log.Debug("a phone that registered is not told of messages", "subscriber_id", sub.ID, "error", err)
		case n.Unheard+n.Heard > 0:
			s.others(sub, n, s.addresses(sub.ID), func(p *Phone) bool { return slices.Contains(registrationIDs, p.RegistrationID) })
		}
	})
}

// Changed tells all phones of a subscriber how many messages wait. It does not block.
func (s *Service) Changed(subscriberID string) {
	s.o.Find(subscriberID, func(e *sbc.Entry, err error) {
		if err != nil { // it is gone, and its phones with it
			return
		}
		s.o.Count(subscriberID, func(n sbc.VoicemailCount, err error) {
			if err != nil {
				s.o.Log.Warn("phones are not told of messages", "subscriber_id", subscriberID, "error", err)
				return
			}
			s.tell(e.Subscriber, n)
		})
	})
}

// tell tells those that subscribed, then those that only registered.
func (s *Service) tell(who *sbc.Subscriber, n sbc.VoicemailCount) {
	knows := s.addresses(who.ID)
	for _, sub := range s.of(who.ID) {
		sub.changed(n)
	}
	s.others(who, n, knows, func(*Phone) bool { return true })
}

// addresses are those from which a subscriber's phones subscribed.
func (s *Service) addresses(subscriberID string) map[string]bool {
	knows := map[string]bool{}
	for _, sub := range s.of(subscriberID) {
		knows[sub.from()] = true
	}
	return knows
}

// others tells the phones that are meant and only registered, unless the domain wants them left alone.
func (s *Service) others(who *sbc.Subscriber, n sbc.VoicemailCount, knows map[string]bool, meant func(*Phone) bool) {
	d := s.o.Domain(who.DomainID)
	if d == nil || d.Voicemail.MWISubscribedOnly {
		return
	}
	for _, p := range s.o.Phones(who.ID) {
		if meant(&p) && !knows[where(p.Target)] {
			s.unasked(p, who, d, n)
		}
	}
}

// where is the address that a target leads to.
func where(t msg.Target) string {
	if t.Flow != nil {
		return t.Flow.Remote.String()
	}
	return t.Host + ":" + strconv.Itoa(t.Port)
}

// unasked tells a phone that did not subscribe. Subscription-State says that there is nothing to keep.
func (s *Service) unasked(p Phone, sub *sbc.Subscriber, d *sbc.Domain, n sbc.VoicemailCount) {
	var who msg.URI
	who.Scheme, who.User, who.Host = "sip", sub.Username, d.Name
	req := dialog.NewRequest(msg.NOTIFY, p.URI, msg.NameAddr{URI: who}, msg.NameAddr{URI: who})
	for _, v := range p.Path {
		req.Append("Route", v)
	}
	req.Append("Event", eventName)
	req.Append("Subscription-State", "terminated")
	req.Append("User-Agent", s.o.ServerName)
	req.SetBody(bodyType, summary("sip:"+sub.Username+"@"+d.Name, n))
	s.o.Wire.Send(msg.Outbound{
		Request: req, Target: p.Target,
		Owner: &msg.OwnerFuncs{OnPrepare: func(req *msg.Message, local msg.Local) { req.Set("Contact", local.Contact("")) }},
	})
}

// summary is the body (RFC 3842 5.2).
func summary(account string, n sbc.VoicemailCount) []byte {
	waiting := "no"
	if n.Unheard > 0 {
		waiting = "yes"
	}
	return fmt.Appendf(nil, "Messages-Waiting: %s\r\nMessage-Account: %s\r\nVoice-Message: %d/%d (0/0)\r\n",
		waiting, account, n.Unheard, n.Heard)
}

// response begins a response with our name on it.
func (s *Service) response(req *msg.Message, code int, hs ...msg.Header) *msg.Message {
	res := msg.NewResponse(req, code, "")
	if req.To.Tag() == "" {
		res.SetToTag(msg.NewTag())
	}
	res.Append("Server", s.o.ServerName)
	for _, h := range hs {
		res.Append(h.Name, h.Value)
	}
	return res
}

func (s *Service) respond(tx msg.ServerTx, res *msg.Message) {
	if err := tx.Respond(res); err != nil { // the transport is gone, and the peer with it
		s.o.Log.Debug("response not sent", "status", res.Status, "error", err)
	}
}

// send hands a request to the wire; nil is none.
func (s *Service) send(o *msg.Outbound) {
	if o != nil {
		s.o.Wire.Send(*o)
	}
}
