package graphql

import (
	"fmt"
	"slices"
)

// validator checks a whole document against the schema before any of it is run.
type validator struct {
	*Schema
	doc    *document
	meter  *meter
	errors []*Error

	fieldName string // the field met last, which release 14 names in errors about arguments
	parts     map[*definition]*part
	def       *definition
}

// part is what a definition holds by itself, without the fragments it spreads.
type part struct {
	usages  []usage
	spreads []*selection
}

// usage is a variable where it stands.
type usage struct {
	name string
	at   Location
	typ  *Type // the type expected there; nil where it is unknown
}

// maxErrors is how many faults of one document are listed.
const maxErrors = 50

func (s *Schema) validate(doc *document, m *meter) []*Error {
	v := &validator{Schema: s, doc: doc, meter: m, parts: map[*definition]*part{}}
	for _, d := range doc.all {
		v.definition(d)
	}
	for _, d := range doc.operations {
		v.useOfVariables(d)
	}
	v.unusedFragments()
	if v.cycles() {
		return v.errors
	}
	if err := v.measure(); err != nil {
		return []*Error{err}
	}
	for _, d := range doc.all {
		v.overlaps(d.selections)
	}
	if m.empty() {
		return []*Error{errTooMuch}
	}
	return v.errors
}

func (v *validator) report(at []Location, format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = clip(s)
		}
	}
	if len(v.errors) < maxErrors {
		v.errors = append(v.errors, &Error{Message: fmt.Sprintf(format, args...), Locations: at})
	}
}

func one(at Location) []Location { return []Location{at} }

// rootOf is the type that a definition selects from; nil where that is unknown.
func (v *validator) rootOf(d *definition) *Type {
	switch d.kind {
	case "query":
		return v.query
	case "fragment":
		return v.composite(d.on)
	}
	return nil
}

// composite returns the object type of a condition; nil when it is none.
func (v *validator) composite(on *typeRef) *Type {
	if t := v.byName[on.name]; t != nil && t.Kind == ObjectKind {
		return t
	}
	return nil
}

func (v *validator) definition(d *definition) {
	v.def = d
	v.parts[d] = &part{}
	v.names(d)
	where := "FRAGMENT_DEFINITION"
	if d.kind == "fragment" {
		v.condition(d.on, d.name)
	} else {
		v.variables(d)
		where = map[string]string{"query": "QUERY", "mutation": "MUTATION", "subscription": "SUBSCRIPTION"}[d.kind]
	}
	v.uses(d.directives, where)
	v.selections(v.rootOf(d), d.selections)
}

// names checks that a definition's name is its own, and that an anonymous operation is alone.
func (v *validator) names(d *definition) {
	kind, list := "operation", v.doc.operations
	if d.kind == "fragment" {
		kind, list = "fragment", v.doc.fragments
	}
	if d.name == "" {
		if len(list) > 1 {
			v.report(one(d.at), "This anonymous operation must be the only defined operation.")
		}
		return
	}
	first := list[slices.IndexFunc(list, func(o *definition) bool { return o.name == d.name })]
	if first != d {
		v.report([]Location{first.nameAt, d.nameAt}, "There can be only one %s named %q.", kind, d.name)
	}
}

func (v *validator) knownType(t *typeRef) *Type {
	known := v.byName[t.name]
	if known == nil {
		var names []string
		for _, k := range v.types {
			names = append(names, k.Name)
		}
		v.report(one(t.at), "Unknown type \"%s\".%s", t.name, didYouMean(t.name, names))
	}
	return known
}

// condition checks the type of a fragment; an inline one has no name.
func (v *validator) condition(on *typeRef, name string) {
	t := v.knownType(on)
	switch {
	case t == nil || t.Kind == ObjectKind:
	case name == "":
		v.report(one(on.at), "Fragment cannot condition on non composite type %q.", on.name)
	default:
		v.report(one(on.at), "Fragment %q cannot condition on non composite type %q.", name, on.name)
	}
}

func (v *validator) variables(d *definition) {
	first := map[string]Location{} // :: name → where it was defined first
	for _, x := range d.variables {
		if t := v.knownType(x.typ.named()); t != nil && !t.isInput() {
			v.report(one(x.typ.at), "Variable \"$%s\" cannot be non-input type %q.", x.name, x.typ.String())
		} else if t != nil && x.initial != nil {
			v.literal(x.initial, v.typeOf(x.typ), "")
		}
		if at, ok := first[x.name]; ok {
			v.report([]Location{at, x.at}, "There can be only one variable named %q.", x.name)
		} else {
			first[x.name] = x.at
		}
		v.uses(x.directives, "VARIABLE_DEFINITION")
	}
}

func (v *validator) selections(parent *Type, list []*selection) {
	for _, s := range list {
		if !v.meter.spend() {
			return
		}
		switch s.form {
		case fieldForm:
			v.field(parent, s)
		case spreadForm:
			v.spread(parent, s)
		case inlineForm:
			v.inline(parent, s)
		}
	}
}

func (v *validator) field(parent *Type, s *selection) {
	v.fieldName = s.name
	if parent == nil {
		v.arguments(s.arguments, nil, func(*argument) {})
		v.uses(s.directives, "FIELD")
		v.selections(nil, s.selections)
		return
	}
	s.def = v.fieldOf(parent, s.name)
	var result *Type
	var args []*Arg
	if s.def == nil {
		v.unknownField(parent, s)
	} else {
		args = s.def.Args
		result = v.leaf(s)
	}
	v.arguments(s.arguments, args, func(a *argument) {
		if s.def != nil {
			v.report(one(a.at), "Unknown argument \"%s\" on field \"%s\" of type \"%s\".%s", a.name, s.name, parent.Name,
				didYouMean(a.name, argNames(args)))
		}
	})
	v.uses(s.directives, "FIELD")
	v.selections(result, s.selections)
	if missing := missing(args, s.arguments); missing != nil {
		v.report(one(s.at), "Field %q argument %q of type %q is required but not provided.", s.name, missing.Name, missing.Type.String())
	}
}

func (v *validator) unknownField(parent *Type, s *selection) {
	var names []string
	for _, f := range parent.Fields {
		names = append(names, f.Name)
	}
	v.report(one(s.at), "Cannot query field \"%s\" on type \"%s\".%s", s.name, parent.Name, didYouMean(s.name, names))
}

// leaf checks that objects and only they have a selection, and returns the type to select from.
func (v *validator) leaf(s *selection) *Type {
	t := s.def.Type.named()
	switch {
	case t.Kind == ObjectKind && s.selections == nil:
		v.report(one(s.at), "Field %q of type %q must have a sub selection.", s.name, s.def.Type.String())
	case t.Kind != ObjectKind && s.selections != nil:
		// The place is that of the selection; its first member is as near as we keep it.
		v.report(one(s.selections[0].at), "Field %q of type %q must not have a sub selection.", s.name, s.def.Type.String())
	case t.Kind == ObjectKind:
		return t
	}
	return nil
}

func (v *validator) spread(parent *Type, s *selection) {
	p := v.parts[v.def]
	p.spreads = append(p.spreads, s)
	v.uses(s.directives, "FRAGMENT_SPREAD")
	f := v.doc.fragment(s.name)
	if f == nil {
		v.report(one(s.at), "Unknown fragment %q.", s.name)
		return
	}
	if t := v.composite(f.on); t != nil && parent != nil && t != parent {
		v.report(one(s.at), "Fragment %q cannot be spread here as objects of type %q can never be of type %q.", s.name, parent.Name, t.Name)
	}
}

func (v *validator) inline(parent *Type, s *selection) {
	t := parent
	if s.on != nil {
		v.condition(s.on, "")
		t = v.composite(s.on)
		if t != nil && parent != nil && t != parent {
			v.report(one(s.at), "Fragment cannot be spread here as objects of type %q can never be of type %q.", parent.Name, t.Name)
		}
	}
	v.uses(s.directives, "INLINE_FRAGMENT")
	v.selections(t, s.selections)
}

// uses checks the directives at one place.
func (v *validator) uses(list []*directive, where string) {
	first := map[string]Location{} // :: name → where it was used first
	for _, d := range list {
		def := v.directive(d.name)
		name := d.name
		if v.style != V14 {
			name = "@" + name
		}
		switch at, twice := first[d.name]; {
		case def == nil:
			v.report(one(d.at), "Unknown directive %q.", name)
		case !slices.Contains(def.locations, where):
			v.report(one(d.at), "Directive %q may not be used on %q.", d.name, where)
		case twice:
			v.report([]Location{at, d.at}, "The directive %q can only be used once at this location.", d.name)
		}
		first[d.name] = d.at
		v.directiveArguments(d, def)
	}
}

func (v *validator) directiveArguments(d *directive, def *directiveDef) {
	if def == nil {
		v.arguments(d.arguments, nil, func(*argument) {})
		return
	}
	v.arguments(d.arguments, def.args, func(a *argument) {
		v.report(one(a.at), "Unknown argument \"%s\" on directive \"@%s\".%s", a.name, d.name, didYouMean(a.name, argNames(def.args)))
	})
	if missing := missing(def.args, d.arguments); missing != nil {
		v.report(one(d.at), "Directive \"@%s\" argument %q of type %q is required but not provided.", d.name, missing.Name, missing.Type.String())
	}
}

// arguments checks names and values; unknown is called for each that is not in defs.
func (v *validator) arguments(list []*argument, defs []*Arg, unknown func(*argument)) {
	first := map[string]Location{} // :: name → where it was given first
	for _, a := range list {
		if at, ok := first[a.name]; ok {
			v.report([]Location{at, a.at}, "There can be only one argument named %q.", a.name)
		} else {
			first[a.name] = a.at
		}
		def := findArg(defs, a.name)
		if def == nil {
			unknown(a)
			v.literal(a.value, nil, a.name)
			continue
		}
		v.literal(a.value, def.Type, a.name)
	}
}

// missing returns the first argument that must be given and is not.
func missing(defs []*Arg, given []*argument) *Arg {
	for _, def := range defs {
		if def.Type.Kind == NonNull && !slices.ContainsFunc(given, func(a *argument) bool { return a.name == def.Name }) {
			return def
		}
	}
	return nil
}
