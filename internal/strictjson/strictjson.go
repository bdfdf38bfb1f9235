// Package strictjson reads one JSON text (RFC 8259) so that it has one meaning only.
//
// encoding/json takes the last of two members with one name, matches names without regard to case, mends invalid
// UTF-8 and lone surrogates in silence, and ignores what follows a value read by a Decoder. Each of these lets a text
// mean one thing to a checker and another to its user, so all of them are errors here. Order of members and the
// source text of numbers are kept. Everything is bounded by Limits.
package strictjson

import (
	"errors"
	"fmt"
	"strings"
)

// Failures that Parse and OddCase report, to be asked for with errors.Is; the text around them gives the offset.
var (
	ErrSyntax    = errors.New("not valid JSON")
	ErrDuplicate = errors.New("member name appears twice")
	ErrOddCase   = errors.New("member name differs only in letter case")
	ErrTooDeep   = errors.New("nested too deeply")
	ErrTooLarge  = errors.New("too large")
	ErrNotObject = errors.New("not a JSON object")
)

// Error is a failure with its place; it unwraps to one of the sentinels. It never quotes the text it read.
type Error struct {
	Kind   error
	Offset int    // bytes from the start of the text
	Detail string // what was met, without content of the text; may be empty
}

// Error gives the kind, the detail and the byte offset.
func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("%v at byte %d", e.Kind, e.Offset)
	}
	return fmt.Sprintf("%v: %s at byte %d", e.Kind, e.Detail, e.Offset)
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.Kind }

// Limits bound one text. A zero field means its default: 1 MiB, 32 levels, 4096 values.
type Limits struct {
	Bytes   int // length of the text
	Depth   int // objects and arrays open at once
	Members int // members and elements in the whole text
}

func (l Limits) orDefault() Limits {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&l.Bytes, 1<<20)
	set(&l.Depth, 32)
	set(&l.Members, 4096)
	return l
}

// Object is a JSON object with its members in source order, each name once.
type Object struct {
	Members []Member
}

// Member is one name and value of an Object.
type Member struct {
	Name   string // unescaped
	Value  any    // nil, bool, string, json.Number, []any or *Object
	Raw    []byte // source text of the value; shares memory with the text given to Parse
	Offset int    // of the name's opening quote in the text
}

// Get returns the value of the member with exactly this name; false when there is none.
func (o *Object) Get(name string) (any, bool) {
	for i := range o.Members {
		if o.Members[i].Name == name {
			return o.Members[i].Value, true
		}
	}
	return nil, false
}

// OddCase refuses a member that equals one of names only under Unicode simple folding (so `ſub` is `sub`). Any
// encoding/json reader behind us would take it for the real one. Members of nested objects are not looked at.
func (o *Object) OddCase(names ...string) error {
	for i := range o.Members {
		m := &o.Members[i]
		for _, name := range names {
			if m.Name != name && strings.EqualFold(m.Name, name) {
				return &Error{Kind: ErrOddCase, Offset: m.Offset, Detail: "expected " + name}
			}
		}
	}
	return nil
}
