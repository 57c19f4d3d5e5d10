package sbc

import (
	"context"
	"time"
)

// Query selects resources of one kind.
type Query struct {
	Kind Kind
	// TenantID "" is every tenant (keys that serve all tenants only).
	TenantID string
	// Ref, where set, keeps resources that refer to this id by any field (a trunk's endpoints, a realm's interfaces).
	Ref        string
	Name       string
	ExternalID string
	Enabled    *bool
	// Labels must all be there with these values.
	Labels map[string]string
	// After is the id after which the page begins; Limit is its size.
	After string
	Limit int
}

// LookupField is what a Lookup knows of resources.
type LookupField string

// The fields.
const (
	LookupID         LookupField = "id"
	LookupName       LookupField = "name"
	LookupExternalID LookupField = "external_id"
)

// Lookup names many resources of one kind at once. TenantID "" is every tenant, ParentID "" whatever owns them.
type Lookup struct {
	Kind               Kind
	TenantID, ParentID string
	By                 LookupField
	Values             []string
}

// CDRQuery selects call detail records. Zero fields do not filter.
type CDRQuery struct {
	TenantID string
	// After is the sequence after which to begin: the lossless feed. Order is always by rising sequence.
	After int64
	Limit int
	// Newest asks for the last ones in place of the first; their order is the same.
	Newest                        bool
	CallID                        string
	IngressTrunkID, EgressTrunkID string
	Caller, Callee                string
	EndReason                     EndReason
	Disposition                   Disposition
	StartedAfter, StartedBefore   time.Time
}

// AuditQuery selects audit events, by rising id.
type AuditQuery struct {
	TenantID   string
	After      string
	Limit      int
	Actor      string
	Kind       Kind
	ResourceID string
}

// Reply is what an operation with an Idempotency-Key answered, to be answered again.
type Reply struct {
	// Actor and Key identify it; Fingerprint is a hash of the request it belongs to.
	Actor, Key, Fingerprint string
	Status                  int
	Header                  map[string]string
	Body                    []byte
	CreatedAt               time.Time
}

// Tx is one transaction on the configuration. What it wrote is seen by its own reads and, if the transaction succeeds, becomes
// one new revision.
type Tx interface {
	// Revision is the number this transaction will have if it succeeds.
	Revision() int64
	// Get and ByExternalID give CodeNotFound where there is none. tenantID "" looks in all tenants.
	Get(kind Kind, tenantID, id string) (Resource, error)
	ByExternalID(kind Kind, tenantID, externalID string) (Resource, error)
	// Put inserts or replaces. It sets Revision, UpdatedAt and, on an insert, CreatedAt. Faults: a name or external id taken
	// (CodeConflict), a reference to nothing or into another tenant (CodeInvalid), each with its pointer.
	Put(r Resource) error
	// Delete refuses with CodeReferenced while others refer to it.
	Delete(kind Kind, id string) error
	// PutAll is Put for many resources of one kind, none of which refers to another one of them. Those that cannot be written are
	// left out: refused has the error of each by its index. The others are written, in few statements. err is the store's own: then
	// nothing of the transaction may be kept.
	PutAll(list []Resource) (refused map[int]error, err error)
	// DeleteAll is Delete for many resources of one kind; refused has the error of each that stays by its index.
	DeleteAll(kind Kind, ids []string) (refused map[int]error, err error)
	// Find gives the resources that a lookup names, by rising id; what is not there is left out.
	Find(l Lookup) ([]Resource, error)
	// Audit appends to the audit log in the same transaction.
	Audit(e AuditEvent) error
	// Remember keeps a Reply in the same transaction (CodeConflict if the actor used the key before).
	Remember(r Reply) error
	// PutBlob and DeleteBlob are as in Blobs, in the same transaction. They make no revision: the write of the resource does.
	PutBlob(b Blob, content []byte) (Blob, error)
	DeleteBlob(ownerID, name string) error
	// List gives a page by rising id, as Provisioning.List does.
	List(q Query) (page []Resource, next string, err error)
	// All loads every resource but those of listed kinds (Kind.Listed), as the transaction sees them, in the order of Kinds and then
	// of id.
	All() ([]Resource, error)
}

// Changes are what was written after a revision.
type Changes struct {
	// Revision is the last one.
	Revision int64
	// Configured tells whether anything was written or deleted that is not of a listed kind.
	Configured bool
	// Listed are the resources of listed kinds that were written or deleted; nil where there were too many to list, or where it is no
	// longer known.
	Listed []ListedChange
}

// ListedChange is a resource of a listed kind (Kind.Listed) that was written or deleted.
type ListedChange struct {
	Kind Kind
	ID   string
	// DomainID and Name are where it is found now, empty for what was deleted; SubscriberID is whom an alias belongs to now.
	DomainID, Name, SubscriberID string
}

// ListedChangeOf describes what was written of a listed kind.
func ListedChangeOf(r Resource) ListedChange {
	c := ListedChange{Kind: r.Kind(), ID: r.Base().ID, Name: r.Base().Name}
	switch r := r.(type) {
	case *Subscriber:
		c.DomainID = r.DomainID
	case *Alias:
		c.DomainID, c.SubscriberID = r.DomainID, r.SubscriberID
	}
	return c
}

// Secrets keeps what the nodes of an installation share and nobody else knows.
type Secrets interface {
	// Secret gives 32 random bytes of a name. They are made when they are first asked for, and never change.
	Secret(ctx context.Context, name string) ([]byte, error)
}

// SharedState keeps small things for all nodes of an installation beside the configuration: what they did, and who of them does what. It
// is sealed like secrets.
type SharedState interface {
	// State gives what is kept under a name, nil where there is nothing.
	State(ctx context.Context, name string) ([]byte, error)
	PutState(ctx context.Context, name string, value []byte) error
	// DeleteState forgets it; that there is nothing is no error.
	DeleteState(ctx context.Context, name string) error
	// Lease tells whether holder has what the name stands for, for some time: nobody else has it, or had it longer ago than that.
	Lease(ctx context.Context, name, holder string, life time.Duration) (bool, error)
}

// Provisioning is the configuration's store. storage implements it; config and api use it.
type Provisioning interface {
	// Update runs change in one serialised transaction; an error of change rolls it back and is returned as it is.
	Update(ctx context.Context, change func(tx Tx) error) error
	Get(ctx context.Context, kind Kind, tenantID, id string) (Resource, error)
	ByExternalID(ctx context.Context, kind Kind, tenantID, externalID string) (Resource, error)
	// List gives a page by rising id; next is "" on the last page, else the After of the next one.
	List(ctx context.Context, q Query) (page []Resource, next string, err error)
	// All loads everything but what is of listed kinds (Kind.Listed), with the revision it belongs to, from one consistent view.
	All(ctx context.Context) ([]Resource, int64, error)
	Revision(ctx context.Context) (int64, error)
	// Changes tells what was written after a revision.
	Changes(ctx context.Context, after int64) (Changes, error)
	// Recall finds a remembered reply, nil if there is none or it is older than 24 hours.
	Recall(ctx context.Context, actor, key string) (*Reply, error)
	AuditEvents(ctx context.Context, q AuditQuery) (page []AuditEvent, next string, err error)
}

// Records is the store of call detail records.
type Records interface {
	// AppendCDRs stores records in the given order and numbers them in the order of commit. A record whose ID is there already
	// is left as it is, so that writing twice is writing once.
	AppendCDRs(ctx context.Context, records []CDR) error
	CDRs(ctx context.Context, q CDRQuery) ([]CDR, error)
	CDR(ctx context.Context, tenantID, id string) (*CDR, error)
}
