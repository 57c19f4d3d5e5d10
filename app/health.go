package app

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// health answers the API's questions about the running node from memory, but for one ping of the store.
type health struct {
	app      *App
	stopping atomic.Bool
}

// InterfaceStatus tells how a SIP interface is doing.
func (h *health) InterfaceStatus(id string) (sbc.InterfaceStatus, bool) {
	i := h.app.config.Current().Interface(id)
	if s, ok := h.app.edge.Status(id); ok {
		if i != nil && i.Server != "" {
			s.Advertised = h.app.finder.Status(id, i.Server)
		}
		return s, true
	}
	if i == nil {
		return sbc.InterfaceStatus{}, false
	}
	s := sbc.InterfaceStatus{State: "disabled", Since: i.UpdatedAt}
	for _, active := range h.app.config.Current().ActiveInterfaces() {
		if active.ID == id {
			s.State, s.Reason = "down", "it could not be bound when the node started; it is tried again"
		}
	}
	return s, true
}

// PoolStatus tells how a media pool is doing.
func (h *health) PoolStatus(id string) (sbc.PoolStatus, bool) {
	s, ok := h.app.engine.PoolStatus(id)
	out := sbc.PoolStatus{State: s.State, Total: s.Total, InUse: s.InUse, Quarantined: s.Quarantined}
	for _, p := range h.app.config.Current().ActivePools() {
		if p.ID == id && p.Server != "" {
			out.Advertised = h.app.finder.Status(id, p.Server)
		}
	}
	return out, ok
}

// ConfigStatus tells which configuration is served.
func (h *health) ConfigStatus() sbc.ConfigStatus { return h.app.config.Status() }

// pingTimeout bounds how long a question about readiness may take.
const pingTimeout = time.Second

// Ready lists what has to be right: the store answers, the configuration is the newest, every interface listens, records move.
func (h *health) Ready() []sbc.Condition {
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	conditions := []sbc.Condition{{Type: "running", OK: !h.stopping.Load()}}
	add := func(kind string, ok bool, detail string) {
		c := sbc.Condition{Type: kind, OK: ok}
		if !ok {
			c.Detail = detail
		}
		conditions = append(conditions, c)
	}
	err := h.app.store.Ping(ctx)
	add("store", err == nil, "the store does not answer; calls go on from the last configuration")
	status := h.app.config.Status()
	add("configuration", status.LastError == "", status.LastError)
	down := ""
	for _, i := range h.app.config.Current().ActiveInterfaces() {
		if s, ok := h.app.edge.Status(i.ID); !ok || s.State != "listening" {
			down += " " + i.Name
		}
	}
	add("sip_interfaces", down == "", "not listening:"+down)
	records, oldest := h.app.journal.Backlog()
	late := records > 0 && time.Since(oldest) > time.Minute
	add("call_records", !late, fmt.Sprintf("%d call records wait for the store", records))
	return conditions
}

// RegistrantStatus tells how far a registration of ours is.
func (h *health) RegistrantStatus(id string) (sbc.RegistrantStatus, bool) {
	return h.app.registrants.Status(id)
}
