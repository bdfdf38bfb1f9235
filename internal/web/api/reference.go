package api

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/httpio"
)

//go:embed templates/reference.html
var files embed.FS

// published is what the declarations say, for programs and for people.
type published struct {
	document []byte
	page     template.HTML
}

// publish makes the OpenAPI document of what is declared, and of the document the page.
func (a *API) publish() (published, error) {
	doc, err := json.MarshalIndent(a.huma.OpenAPI(), "", " ")
	if err != nil {
		return published{}, fmt.Errorf("making the OpenAPI document: %w", err)
	}
	var html strings.Builder
	page, err := template.ParseFS(files, "templates/reference.html")
	if err == nil {
		err = page.Execute(&html, a.chapters())
	}
	if err != nil {
		return published{}, fmt.Errorf("making the reference of the API: %w", err)
	}
	return published{append(doc, '\n'), template.HTML(html.String())}, nil // of a template of ours
}

func (a *API) document(ctx context.Context, _ *httpio.Request) httpio.Response {
	p, err := a.published()
	if err != nil {
		return a.unpublished(ctx, err)
	}
	return httpio.Response{Status: http.StatusOK, Body: p.document,
		Header: http.Header{"Content-Type": {jsonKind}, "Cache-Control": {"public, max-age=300"}}}
}

func (a *API) reference(ctx context.Context, _ *httpio.Request) httpio.Response {
	p, err := a.published()
	if err != nil {
		return a.unpublished(ctx, err)
	}
	return a.Page("API", p.page)
}

func (a *API) unpublished(ctx context.Context, err error) httpio.Response {
	a.Log.ErrorContext(ctx, "publishing the API failed", "err", err)
	return Failed(http.StatusInternalServerError)
}

// book is the reference: what the OpenAPI document says, for people.
type book struct {
	About    []string // paragraphs
	Document string   // path of the document
	Chapters []chapter
	Shapes   []shape
}

// chapter is the operations of one tag.
type chapter struct {
	Name, Anchor, About string
	Entries             []entry
}

// entry is one operation.
type entry struct {
	Anchor, Method, Path string
	Summary, About       string
	Open                 bool // it takes no sign-in
	Params, Takes        []field
	Status, Gives, To    string // what a success is, and where its shape is described
	Problems             []string
	Curl                 string
}

// field is one parameter or member.
type field struct {
	Name, In, Type, To, About string
	Required                  bool
}

// shape is one named type of the answers.
type shape struct {
	Name, Anchor string
	Fields       []field
}

func (a *API) chapters() book {
	doc := a.huma.OpenAPI()
	b := book{About: strings.Split(doc.Info.Description, "\n\n"), Document: Root + "/openapi.json"}
	for _, tag := range doc.Tags {
		c := chapter{Name: tag.Name, Anchor: anchor(tag.Name), About: tag.Description}
		for _, op := range a.ops {
			if op.Tags[0] == tag.Name {
				c.Entries = append(c.Entries, a.entry(op))
			}
		}
		b.Chapters = append(b.Chapters, c)
	}
	for _, name := range a.given() {
		b.Shapes = append(b.Shapes, shape{Name: name, Anchor: shapeAnchor(name), Fields: a.fields(doc.Components.Schemas.Map()[name], name)})
	}
	return b
}

func anchor(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

func shapeAnchor(name string) string { return "shape-" + strings.ToLower(name) }

// given are the names of the shapes that are not described with an operation of their own.
func (a *API) given() (names []string) {
	taken := map[string]bool{}
	for _, op := range a.ops {
		if op.RequestBody != nil {
			taken[refName(op.RequestBody.Content[jsonKind].Schema)] = true
		}
	}
	for name := range a.huma.OpenAPI().Components.Schemas.Map() {
		if !taken[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (a *API) entry(op *huma.Operation) entry {
	e := entry{Anchor: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, About: op.Description, Open: len(op.Security) == 0}
	for _, p := range op.Parameters {
		kind, to := typeOf(p.Schema)
		e.Params = append(e.Params, field{Name: p.Name, In: p.In, Type: kind, To: to, About: p.Description, Required: p.Required})
	}
	if op.RequestBody != nil {
		s := op.RequestBody.Content[jsonKind].Schema
		e.Takes = a.fields(a.resolve(s), refName(s))
	}
	for status, r := range op.Responses {
		if !strings.HasPrefix(status, "2") {
			e.Problems = append(e.Problems, status+" "+r.Description)
			continue
		}
		e.Status = status + " " + r.Description
		if content := r.Content[jsonKind]; content != nil {
			e.Gives, e.To = typeOf(content.Schema)
		}
	}
	slices.Sort(e.Problems)
	e.Curl = a.curl(op, e)
	return e
}

func refName(s *huma.Schema) string { return s.Ref[strings.LastIndex(s.Ref, "/")+1:] }

func (a *API) resolve(s *huma.Schema) *huma.Schema {
	if s.Ref == "" {
		return s
	}
	return a.huma.OpenAPI().Components.Schemas.SchemaFromRef(s.Ref)
}

// fields are the members of an object in the order of its Go type.
func (a *API) fields(s *huma.Schema, name string) (all []field) {
	for _, member := range members(a.huma.OpenAPI().Components.Schemas.TypeFromRef(schemas + name)) {
		p := s.Properties[member]
		kind, to := typeOf(p)
		all = append(all, field{Name: member, Type: kind, To: to, About: p.Description, Required: slices.Contains(s.Required, member)})
	}
	return all
}

// members are the names in JSON of a struct's fields.
func members(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// typeOf says what a schema is, in words, and where its shape is described.
func typeOf(s *huma.Schema) (kind, to string) {
	switch {
	case s.Ref != "":
		return refName(s), shapeAnchor(refName(s))
	case s.Type == huma.TypeArray:
		kind, to = typeOf(s.Items)
		return "list of " + kind, to
	case s.Type == huma.TypeObject:
		return "object of texts", ""
	case len(s.Enum) > 0:
		kind = oneOf(s.Enum)
	case s.Format == "date-time":
		kind = "time"
	case s.Type == huma.TypeInteger:
		kind = "number"
	case s.Type == huma.TypeBoolean:
		kind = "true or false"
	default:
		kind = "text"
	}
	if s.Nullable {
		kind += " or null"
	}
	return kind, ""
}

func oneOf(values []any) string {
	var names []string
	for _, v := range values {
		names = append(names, fmt.Sprint(v))
	}
	return strings.Join(names, ", ")
}

// curl is the operation as a line for a shell, with what must be given.
func (a *API) curl(op *huma.Operation, e entry) string {
	words := []string{"curl"}
	if op.Method != http.MethodGet {
		words = append(words, "-X "+op.Method)
	}
	if !e.Open {
		words = append(words, `-H "Authorization: Bearer $TOKEN"`)
	}
	if op.RequestBody != nil {
		words = append(words, "-H 'Content-Type: application/json'", "-d '"+sample(e.Takes)+"'")
	}
	var query []string
	for _, p := range e.Params {
		if p.Required && p.In == "query" {
			query = append(query, p.Name+"="+strings.ToUpper(p.Name))
		}
	}
	path := strings.NewReplacer("{", "", "}", "").Replace(upperParams(op.Path))
	address := a.huma.OpenAPI().Servers[0].URL + path
	if len(query) > 0 {
		address += "?" + strings.Join(query, "&")
	}
	return strings.Join(append(words, "'"+address+"'"), " ")
}

// upperParams writes what is to be filled in in capitals.
func upperParams(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = strings.ToUpper(p)
		}
	}
	return strings.Join(parts, "/")
}

// sample is a body with the members that must be there.
func sample(fields []field) string {
	var all []string
	for _, f := range fields {
		if !f.Required {
			continue
		}
		value := strconv.Quote(strings.ToUpper(f.Name))
		switch f.Type {
		case "number":
			value = "0"
		case "time":
			value = `"2030-01-01T00:00:00Z"`
		}
		all = append(all, strconv.Quote(f.Name)+": "+value)
	}
	return "{" + strings.Join(all, ", ") + "}"
}
