package graphql

import (
	"fmt"
	"strings"
)

// conflict is two fields with one response key that are not the same.
type conflict struct {
	key           string
	reason        string
	first, second []Location
}

// overlaps reports fields of one selection that cannot be merged (spec §5.3.2). To be the same is an equivalence,
// so each field is compared with the first of its key only.
func (v *validator) overlaps(list []*selection) {
	for _, c := range v.conflicts(v.grouped(list), v.grouped(list)) {
		v.report(append(c.first, c.second...), "Fields %q conflict because %s. Use different aliases on the fields to fetch both if this was intentional.",
			c.key, verbatim(c.reason))
	}
	v.overlapsBelow(list)
}

func (v *validator) overlapsBelow(list []*selection) {
	for _, s := range list {
		switch {
		case s.form == fieldForm && s.selections != nil:
			v.overlaps(s.selections)
		case s.form == inlineForm:
			v.overlapsBelow(s.selections)
		}
	}
}

// group is the fields of one response key.
type group struct {
	key    string
	fields []*selection
}

// grouped collects the fields of a selection with its fragments, by key, in the order of the document.
func (v *validator) grouped(list []*selection) []*group {
	g := &grouper{validator: v, byKey: map[string]*group{}, seen: map[string]bool{}}
	g.add(list)
	return g.groups
}

type grouper struct {
	*validator
	groups []*group
	byKey  map[string]*group
	seen   map[string]bool       // fragments
	wanted func(*selection) bool // nil wants all
}

func (g *grouper) add(list []*selection) {
	for _, s := range list {
		if !g.meter.spend() {
			return
		}
		if g.wanted != nil && !g.wanted(s) {
			continue
		}
		switch s.form {
		case fieldForm:
			if g.byKey[s.key] == nil {
				g.byKey[s.key] = &group{key: s.key}
				g.groups = append(g.groups, g.byKey[s.key])
			}
			g.byKey[s.key].fields = append(g.byKey[s.key].fields, s)
		case inlineForm:
			g.add(s.selections)
		case spreadForm:
			if f := g.doc.fragment(s.name); f != nil && !g.seen[s.name] {
				g.seen[s.name] = true
				g.add(f.selections)
			}
		}
	}
}

// conflicts compares the first field of each key of one selection with all of the other's.
func (v *validator) conflicts(a, b []*group) []conflict {
	others := map[string]*group{}
	for _, g := range b {
		others[g.key] = g
	}
	var found []conflict
	for _, g := range a {
		other := others[g.key]
		if other == nil {
			continue
		}
		for _, s := range other.fields {
			if s == g.fields[0] || !v.meter.spend() {
				continue
			}
			if c := v.compare(g.fields[0], s); c != nil {
				found = append(found, *c)
			}
		}
	}
	return found
}

// compare returns nil for two fields that can be merged.
func (v *validator) compare(a, b *selection) *conflict {
	c := &conflict{key: a.key, first: one(a.at), second: one(b.at)}
	switch {
	case a.name != b.name:
		c.reason = clip(a.name) + " and " + clip(b.name) + " are different fields"
		return c
	case !sameArguments(a.arguments, b.arguments):
		c.reason = "they have differing arguments"
		return c
	case a.selections == nil || b.selections == nil:
		return nil
	}
	var reasons []string
	for _, inner := range v.conflicts(v.grouped(a.selections), v.grouped(b.selections)) {
		if len(reasons) < maxErrors {
			reasons = append(reasons, fmt.Sprintf("subfields %q conflict because %s", clip(inner.key), inner.reason))
			c.first, c.second = append(c.first, inner.first...), append(c.second, inner.second...)
		}
	}
	if reasons == nil {
		return nil
	}
	c.reason = strings.Join(reasons, " and ")
	return c
}

func sameArguments(a, b []*argument) bool {
	if len(a) != len(b) {
		return false
	}
	given := map[string]string{} // :: name → value as printed
	for _, x := range a {
		given[x.name] = x.value.String()
	}
	for _, x := range b {
		if text, ok := given[x.name]; !ok || text != x.value.String() {
			return false
		}
	}
	return true
}
