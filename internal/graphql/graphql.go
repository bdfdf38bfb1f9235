// Package graphql runs queries of GraphQL (spec of October 2021) against a small fixed schema, and words every
// refusal as graphql-php does, release 15 or 14, because clients of the services behind it compare those texts.
//
// It owns the lexer, the parser of executable documents, validation, introspection and execution. It knows no
// HTTP and no JSON envelope. Queries come from strangers: the size of a document, its depth, its fields and the
// whole work of answering it are bounded, and nothing is resolved before all of the document has been checked.
//
// Left out, because no schema here has them: mutations, subscriptions, interfaces, unions, input objects and
// custom scalars. Type system definitions in a query are syntax errors.
package graphql

import (
	"context"
	"encoding/json"
)

// Style is the release of graphql-php whose texts are used.
type Style string

// The styles.
const (
	V15 Style = "v15"
	V14 Style = "v14"
)

// Limits on one request. They are far above what a client of a small schema needs, and let the standard
// introspection query pass.
const (
	maxTokens   = 2000  // of the document
	maxDepth    = 15    // of selection sets, with fragments spread; of lists and objects in a value
	maxFields   = 200   // written in the document
	maxSpread   = 1000  // fields, with fragments spread
	maxWork     = 20000 // steps of checking and answering, about a microsecond each
	nameInError = 200   // bytes of a client's text that an error repeats
)

// Location is a place in the document, counted in characters from 1.
type Location struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Error is one entry of the list of errors.
type Error struct {
	Message   string
	Locations []Location
	Path      []any // response keys and list indexes; nil when the error is not of one field
	// Cause is what a resolver returned. Its text is not in Message and not meant for the client.
	Cause error
}

// Internal is the Message of every error that a resolver returned.
const Internal = "Internal server error"

// Result is an answer. Data is nil when nothing was resolved.
type Result struct {
	Data   *Object
	Errors []*Error
	Work   int // steps taken, at most maxWork; for tests of the limits
}

// Object is a JSON object whose members keep the order of the query.
type Object struct {
	Keys   []string
	Values []any // nil, bool, int64, string, []any or *Object
}

func (o *Object) add(key string, v any) {
	o.Keys, o.Values = append(o.Keys, key), append(o.Values, v)
}

// Run answers one document. Root is given to the resolvers of the query type as their parent; variables are the
// source texts of valid JSON values. It resolves fields one after the other.
func (s *Schema) Run(ctx context.Context, root any, query string, variables map[string]json.RawMessage) Result {
	doc, err := parse(query)
	if err != nil {
		return Result{Errors: []*Error{err}}
	}
	m := &meter{left: maxWork}
	if errs := s.validate(doc, m); len(errs) > 0 {
		return Result{Errors: errs, Work: m.used()}
	}
	x := &execution{schema: s, doc: doc, meter: m}
	result := x.run(ctx, root, variables)
	result.Work = m.used()
	return result
}

// meter counts work. A meter that has run out stays so.
type meter struct{ left int }

// spend takes one step and reports whether there was one left.
func (m *meter) spend() bool {
	if m.left > 0 {
		m.left--
		return true
	}
	m.left = -1
	return false
}

func (m *meter) empty() bool { return m.left < 0 }

func (m *meter) used() int { return maxWork - max(m.left, 0) }

var errTooMuch = &Error{Message: "The query asks for too much: split it into smaller ones."}
