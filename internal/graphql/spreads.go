package graphql

import "strings"

// useOfVariables checks the variables that an operation uses, itself or through fragments, against those it
// defines.
func (v *validator) useOfVariables(d *definition) {
	used := map[string]bool{}
	for _, u := range v.usages(d) {
		used[u.name] = true
		x := d.variable(u.name)
		switch {
		case x == nil && d.name == "":
			v.report(one(u.at), "Variable \"$%s\" is not defined.", u.name)
		case x == nil:
			v.report(one(u.at), "Variable \"$%s\" is not defined by operation %q.", u.name, d.name)
		case u.typ != nil && !v.allowed(x, u.typ):
			v.report([]Location{x.at, u.at}, "Variable \"$%s\" of type %q used in position expecting type %q.", x.name, x.typ.String(), u.typ.String())
		}
	}
	for _, x := range d.variables {
		switch {
		case used[x.name]:
		case d.name == "":
			v.report(one(x.at), "Variable \"$%s\" is never used.", x.name)
		default:
			v.report(one(x.at), "Variable \"$%s\" is never used in operation %q.", x.name, d.name)
		}
	}
}

func (d *definition) variable(name string) *variable {
	for _, x := range d.variables {
		if x.name == name {
			return x
		}
	}
	return nil
}

// usages lists the variables in a definition and in every fragment that it reaches.
func (v *validator) usages(d *definition) []usage {
	var all []usage
	for _, f := range v.reached(d) {
		all = append(all, v.parts[f].usages...)
	}
	return all
}

// reached lists a definition and the fragments it reaches, each once.
func (v *validator) reached(d *definition) []*definition {
	list := []*definition{d}
	seen := map[*definition]bool{d: true}
	for i := 0; i < len(list); i++ {
		for _, s := range v.parts[list[i]].spreads {
			if f := v.doc.fragment(s.name); f != nil && !seen[f] && v.meter.spend() {
				seen[f] = true
				list = append(list, f)
			}
		}
	}
	return list
}

// allowed reports whether a variable may stand where a type is expected (spec §5.8.5). A variable of an unknown
// type has been reported already.
func (v *validator) allowed(x *variable, place *Type) bool {
	t := v.typeOf(x.typ)
	if t == nil {
		return true
	}
	if place.Kind == NonNull && t.Kind != NonNull {
		return x.initial != nil && x.initial.kind != kindNull && fitsType(t, place.Of)
	}
	return fitsType(t, place)
}

func fitsType(t, place *Type) bool {
	switch {
	case place.Kind == NonNull:
		return t.Kind == NonNull && fitsType(t.Of, place.Of)
	case t.Kind == NonNull:
		return fitsType(t.Of, place)
	case place.Kind == List || t.Kind == List:
		return place.Kind == t.Kind && fitsType(t.Of, place.Of)
	}
	return t == place
}

func (v *validator) unusedFragments() {
	used := map[*definition]bool{}
	for _, d := range v.doc.operations {
		for _, f := range v.reached(d) {
			used[f] = true
		}
	}
	for _, f := range v.doc.fragments {
		if !used[f] && v.doc.fragment(f.name) == f {
			v.report(one(f.at), "Fragment %q is never used.", f.name)
		}
	}
}

// cycles reports fragments that reach themselves, and whether there are any.
func (v *validator) cycles() bool {
	c := &cycleFinder{validator: v, done: map[*definition]bool{}, onPath: map[*definition]int{}}
	for _, f := range v.doc.fragments {
		c.visit(f)
	}
	return c.found
}

type cycleFinder struct {
	*validator
	done   map[*definition]bool
	onPath map[*definition]int // :: fragment → its place in path
	path   []*selection
	found  bool
}

// visit goes down a fragment's spreads; it comes to each fragment once, and no deeper than there are fragments.
func (c *cycleFinder) visit(f *definition) {
	if c.done[f] {
		return
	}
	c.done[f] = true
	c.onPath[f] = len(c.path)
	for _, s := range c.parts[f].spreads {
		next := c.doc.fragment(s.name)
		if next == nil {
			continue
		}
		c.path = append(c.path, s)
		if from, ok := c.onPath[next]; ok {
			c.cycle(c.path[from:])
		} else {
			c.visit(next)
		}
		c.path = c.path[:len(c.path)-1]
	}
	delete(c.onPath, f)
}

func (c *cycleFinder) cycle(path []*selection) {
	c.found = true
	var at []Location
	var via []string
	for i, s := range path {
		at = append(at, s.at)
		if i < len(path)-1 {
			via = append(via, s.name)
		}
	}
	text := ""
	if len(via) > 0 {
		text = " via " + strings.Join(via, ", ")
	}
	c.report(at, "Cannot spread fragment %q within itself%s.", path[len(path)-1].name, text)
}

// size is how many fields a selection has with its fragments spread, and how deep it goes.
type size struct{ fields, depth int }

// measure refuses documents that grow too large when fragments are spread. There are no cycles any more.
func (v *validator) measure() *Error {
	known := map[string]size{}
	for _, d := range v.doc.operations {
		s := v.sizeOf(d.selections, known)
		switch {
		case s.fields > maxSpread:
			return &Error{Message: "The query has too many fields: split it into smaller ones.", Locations: one(d.at)}
		case s.depth > maxDepth:
			return &Error{Message: "The query is nested too deeply.", Locations: one(d.at)}
		}
	}
	return nil
}

// sizeOf measures a selection, each fragment once. The number of fields stops growing at the limit.
func (v *validator) sizeOf(list []*selection, known map[string]size) size {
	total := size{depth: 1}
	for _, s := range list {
		var inner size
		switch s.form {
		case fieldForm:
			if s.selections != nil {
				inner = v.sizeOf(s.selections, known)
			}
			inner.fields++
			inner.depth++
		case inlineForm:
			inner = v.sizeOf(s.selections, known)
		case spreadForm:
			inner = v.sizeOfFragment(s.name, known)
		}
		total.fields = min(total.fields+inner.fields, maxSpread+1)
		total.depth = max(total.depth, inner.depth)
	}
	return total
}

func (v *validator) sizeOfFragment(name string, known map[string]size) size {
	s, ok := known[name]
	if f := v.doc.fragment(name); !ok && f != nil {
		s = v.sizeOf(f.selections, known)
		known[name] = s
	}
	return s
}
