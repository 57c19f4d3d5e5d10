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
	refused map[string]bool           // by key
	of      map[string]*template.Made // by id
	faults  []sbc.Fault
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

// run makes everything, in order. All that is invalid comes at once.
func (a *application) run(tx sbc.Tx) error {
	a.ids, a.refused, a.of, a.faults, a.created = map[string]string{}, map[string]bool{}, map[string]*template.Made{}, nil, nil
	for _, m := range a.made {
		if err := a.make(tx, m); err != nil {
			return err
		}
	}
	return sbc.Invalid(a.faults)
}

// make makes one resource by the same write as a client would. What is part of something refused, or needs it, is only looked at.
func (a *application) make(tx sbc.Tx, m *template.Made) error {
	key, kind := m.Item.Key, m.Item.Kind
	op, path := a.s.creation(kind)
	if op == nil {
		return fmt.Errorf("templates: nothing creates %q", kind)
	}
	ch := &change{s: a.s, c: a.c, write: write{body: m.Body(a.ids), place: place{kind: kind}}}
	if a.tenant != "" && m.Item.PartOf == "" {
		ch.body["tenant_id"] = a.tenant
	}
	ch.place.parent, ch.place.field = partOf(kind)
	if ch.place.parent != "" {
		ch.place.id = cmp.Or(a.ids[m.Item.PartOf], sbc.NewID(ch.place.parent.Prefix()))
	}
	faults := op.validateBody(ch.body)
	var err error
	if len(faults) == 0 && !slices.ContainsFunc(append(m.Links(), m.Item.PartOf), func(key string) bool { return a.refused[key] }) {
		err = ch.make(tx, "")
	} else {
		err = ch.imagined(tx, faults)
	}
	switch {
	case err != nil && (sbc.CodeOf(err) != sbc.CodeInvalid || len(asError(err).Faults) == 0):
		return inWords(err, said(m))
	case err != nil:
		a.faults = append(a.faults, asError(inWords(err, said(m))).Faults...)
	}
	if ch.result == nil {
		a.refused[key] = true
		return nil
	}
	a.ids[key] = ch.result.Base().ID
	a.of[a.ids[key]] = m
	if ch.place.field != "" {
		path = strings.ReplaceAll(path, ":"+ch.place.field, ch.place.id)
	}
	a.created = append(a.created, gen.TemplateCreated{
		Kind: gen.ResourceKind(kind), ID: a.ids[key], Name: ch.result.Base().Name, Location: path + "/" + a.ids[key],
	})
	return nil
}

// imagined tells what is wrong with a resource that cannot be made, besides the faults that the specification finds.
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
