package web

import (
	"net/http"

	"symbolon/internal/httpio"
)

// confirmation asks whether something is meant, and says what it does.
type confirmation struct {
	Title  string
	Text   []string
	Stops  []stop // what ends by it
	Ticks  []tick // what may be left out
	Action string // where the form goes
	Fields []field
	Button string
	Back   string
	Danger bool
}

// field is a hidden field of a form.
type field struct{ Name, Value string }

// tick is a box that is ticked unless the person unticks it.
type tick struct{ Name, Label string }

// stop is one thing that ends.
type stop struct {
	What, Where string
	Used        *stamp // last use, nil for never
	Bound       string // how soon it is refused
}

func (s *Site) confirm(v *visitor, section string, c confirmation) httpio.Response {
	return s.page(http.StatusOK, "confirm", view{Title: c.Title, Section: section, Visitor: v, Data: c})
}
