package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/template"
)

// ListTemplates shows all templates, without what they create.
func (s *server) ListTemplates(_ context.Context, r gen.ListTemplatesRequestObject) (gen.ListTemplatesResponseObject, error) {
	page := gen.ListTemplates200JSONResponse{Items: []gen.Template{}}
	for _, t := range s.templates {
		if r.Params.Kind != nil && template.Kind(*r.Params.Kind) != t.Kind {
			continue
		}
		short := *t
		short.Creates = nil
		v, err := s.templateView(&short, s.scopesFor(t))
		if err != nil {
			return nil, err
		}
		page.Items = append(page.Items, v)
	}
	return page, nil
}

// GetTemplate shows a template and what it creates.
func (s *server) GetTemplate(_ context.Context, r gen.GetTemplateRequestObject) (gen.GetTemplateResponseObject, error) {
	t, err := s.template(r.Name)
	if err != nil {
		return nil, err
	}
	v, err := s.templateView(t, s.scopesFor(t))
	return gen.GetTemplate200JSONResponse(v), err
}

func (s *server) templateView(t *template.Template, scopes []string) (gen.Template, error) {
	v, err := convert[gen.Template](t, field{"scopes", scopes})
	if len(t.Creates) == 0 {
		v.Creates = nil
	}
	return v, err
}

// template finds a template by its name.
func (s *server) template(name string) (*template.Template, error) {
	for _, t := range s.templates {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, sbc.Errorf(sbc.CodeNotFound, "there is no template %s", clip(name))
}

// creation is the operation that creates a resource of a kind, and its path.
func (s *server) creation(kind sbc.Kind) (op *operation, path string) {
	for at, op := range s.ops {
		if op.kind == kind && strings.HasPrefix(op.id, "create") {
			return op, strings.TrimPrefix(at, http.MethodPost+" ")
		}
	}
	return nil, ""
}

// scopesFor are the scopes of everything that a template may create.
func (s *server) scopesFor(t *template.Template) []string {
	var scopes []string
	for i := range t.Creates {
		if op, _ := s.creation(t.Creates[i].Kind); op != nil {
			scopes = append(scopes, op.permission)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// ApplyTemplate creates everything that a template describes, in one transaction.
func (s *server) ApplyTemplate(ctx context.Context, r gen.ApplyTemplateRequestObject) (gen.ApplyTemplateResponseObject, error) {
	t, err := s.template(r.Name)
	if err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	for _, scope := range s.scopesFor(t) {
		if !token.Covers(who.key.scopes, sbc.Scope(scope)) {
			return nil, sbc.Errorf(sbc.CodeForbidden, "what the template creates needs the scope %s", scope)
		}
	}
	made, faults := t.Fill(r.Body.Parameters)
	if err := sbc.Invalid(faults); err != nil {
		return nil, err
	}
	a := &application{s: s, c: who, tenant: value(r.Body.TenantID), made: made}
	var answer gen.TemplateResult
	err = s.o.Config.Update(ctx, value(r.Params.DryRun), func(tx sbc.Tx) error {
		if err := a.run(tx); err != nil {
			return err
		}
		answer = gen.TemplateResult{Template: t.Name, Created: a.created}
		if value(r.Params.DryRun) {
			return nil
		}
		return s.remember(tx, who, http.StatusCreated, map[string]string{"Location": a.location()}, answer)
	})
	if err != nil {
		return nil, a.translated(err)
	}
	return gen.ApplyTemplate201JSONResponse{
		Body: answer, Headers: gen.ApplyTemplate201ResponseHeaders{Location: a.location()},
	}, nil
}

// application is one template being applied.
type application struct {
	s      *server
	c      *caller
	tenant string // asked for, "" where none is
	made   []*template.Made

	// What follows is of one transaction: the store may begin again.
	ids     map[string]string         // by key
	of      map[string]*template.Made // by id
	created []gen.TemplateCreated
}

// location is the path of the first trunk or number plan: what the template is about.
func (a *application) location() string {
	for _, c := range a.created {
		if sbc.Kind(c.Kind) == sbc.KindTrunk || sbc.Kind(c.Kind) == sbc.KindNumberPlan {
			return c.Location
		}
	}
	return ""
}

// run looks at everything, so that all that is wrong comes at once, then makes it, in order.
func (a *application) run(tx sbc.Tx) error {
	a.ids, a.of, a.created = map[string]string{}, map[string]*template.Made{}, nil
	var faults []sbc.Fault
	for _, m := range a.made {
		found, err := a.look(tx, m)
		if err != nil {
			return err
		}
		for _, f := range found {
			if !slices.Contains(faults, f) { // the name is that of several resources
				faults = append(faults, f)
			}
		}
	}
	if err := sbc.Invalid(faults); err != nil {
		return err
	}
	for _, m := range a.made {
		if err := a.make(tx, m); err != nil {
			return inWords(err, said(m))
		}
	}
	return nil
}

// write is the write of one resource that a client would ask for.
func (a *application) write(m *template.Made) (ch *change, op *operation, path string, err error) {
	kind := m.Item.Kind
	if op, path = a.s.creation(kind); op == nil {
		return nil, nil, "", fmt.Errorf("templates: nothing creates %q", kind)
	}
	ch = &change{s: a.s, c: a.c, write: write{body: m.Body(a.ids), place: place{kind: kind}}}
	if a.tenant != "" && m.Item.PartOf == "" {
		ch.body["tenant_id"] = a.tenant
	}
	ch.place.parent, ch.place.field = partOf(kind)
	if ch.place.parent != "" {
		ch.place.id = cmp.Or(a.ids[m.Item.PartOf], sbc.NewID(ch.place.parent.Prefix()))
	}
	return ch, op, path, nil
}

// look tells what is wrong with a resource before anything is made.
func (a *application) look(tx sbc.Tx, m *template.Made) ([]sbc.Fault, error) {
	ch, op, _, err := a.write(m)
	if err != nil {
		return nil, err
	}
	err = ch.imagined(tx, op.validateBody(ch.body))
	if err == nil {
		return nil, nil
	}
	err = inWords(err, said(m))
	if faults := asError(err).Faults; sbc.CodeOf(err) == sbc.CodeInvalid && len(faults) > 0 {
		return faults, nil
	}
	return nil, err
}

// make makes one resource as its own POST would.
func (a *application) make(tx sbc.Tx, m *template.Made) error {
	ch, _, path, err := a.write(m)
	if err != nil {
		return err
	}
	if err := ch.make(tx, ""); err != nil {
		return err
	}
	id := ch.result.Base().ID
	a.ids[m.Item.Key], a.of[id] = id, m
	if ch.place.field != "" {
		path = strings.ReplaceAll(path, ":"+ch.place.field, ch.place.id)
	}
	a.created = append(a.created, gen.TemplateCreated{
		Kind: gen.ResourceKind(m.Item.Kind), ID: id, Name: ch.result.Base().Name, Location: path + "/" + id,
	})
	return nil
}

// imagined tells what is wrong with a resource that is not made yet, besides the faults that the specification finds.
func (ch *change) imagined(tx sbc.Tx, faults []sbc.Fault) error {
	wrong, clean := map[string]bool{}, maps.Clone(ch.body)
	for _, f := range faults {
		wrong[firstSegment(f.Pointer)] = true
	}
	maps.DeleteFunc(clean, func(name string, _ any) bool { return wrong[name] })
	r := sbc.New(ch.place.kind)
	if err := decodeOnto(r, clean); err != nil {
		return err
	}
	setParent(r, ch.place.id)
	tenant, err := ch.c.assign(ch.place.kind, r.Base().TenantID)
	if err != nil {
		return err
	}
	r.Base().TenantID = tenant
	return also(faults, wrong, faultsIn(inTx(tx), r))
}

// said says a fault of a resource in terms of the request.
func said(m *template.Made) func(sbc.Fault) sbc.Fault {
	return func(f sbc.Fault) sbc.Fault {
		if f.Pointer == "#/tenant_id" || f.Pointer == "" {
			return f
		}
		return m.Fault(f)
	}
}

// inWords says the faults of an error as say does.
func inWords(err error, say func(sbc.Fault) sbc.Fault) error {
	e := *asError(err)
	e.Faults = slices.Clone(e.Faults)
	for i, f := range e.Faults {
		e.Faults[i] = say(f)
	}
	return &e
}

// translated says an error of the whole change in terms of the parameters: what only shows when everything is compiled and verified
// has pointers into one of the resources; where it is not said into which, the field has to do.
func (a *application) translated(err error) error {
	if len(asError(err).Faults) == 0 {
		return err
	}
	return inWords(err, func(f sbc.Fault) sbc.Fault {
		if f.Pointer == "" || f.Pointer == "#/tenant_id" || strings.HasPrefix(f.Pointer, template.Root) {
			return f
		}
		if m := a.of[f.ResourceID]; m != nil {
			return m.Fault(f)
		}
		var only *sbc.Fault
		for _, m := range a.made {
			switch g := m.Fault(f); {
			case g.Pointer == template.Root:
			case only != nil && only.Pointer != g.Pointer:
				f.Detail, f.Pointer = f.Pointer+" "+f.Detail, template.Root
				return f
			default:
				only = &g
			}
		}
		if only != nil {
			return *only
		}
		f.Detail, f.Pointer = cmp.Or(f.Pointer, "#")+" "+f.Detail, template.Root
		return f
	})
}
