package graphql

import (
	"context"
	"encoding/json"
)

// execution runs one checked document.
type execution struct {
	schema    *Schema
	doc       *document
	meter     *meter
	variables map[string]any // :: name → coerced value
	errors    []*Error
}

func (x *execution) run(ctx context.Context, root any, given map[string]json.RawMessage) Result {
	op, errs := x.operation(given)
	if len(errs) > 0 {
		return Result{Errors: errs}
	}
	if op.kind != "query" {
		return Result{Errors: []*Error{{Message: "Schema is not configured for " + op.kind + "s.", Locations: one(op.at)}}}
	}
	fields := x.collect(op.selections)
	if err := limited(fields); err != nil {
		return Result{Errors: []*Error{err}}
	}
	data := x.resolve(ctx, root, x.schema.query, fields, nil)
	if x.meter.empty() {
		return Result{Errors: append(x.errors, errTooMuch)}
	}
	return Result{Data: data, Errors: x.errors}
}

// operation picks the only one and gives its variables their values. Names of operations are not looked at.
func (x *execution) operation(given map[string]json.RawMessage) (*definition, []*Error) {
	var errs []*Error
	ops := x.doc.operations // never none: fragments alone are unused ones
	if len(ops) > 1 {
		errs = append(errs, &Error{Message: "Must provide operation name if query contains multiple operations."})
	}
	op := ops[len(ops)-1]
	values, bad := x.schema.coerce(op, given)
	x.variables = values
	return op, append(errs, bad...)
}

// collect is grouped after @skip and @include.
func (x *execution) collect(list []*selection) []*group {
	g := &grouper{validator: &validator{doc: x.doc, meter: x.meter}, byKey: map[string]*group{}, seen: map[string]bool{}, wanted: x.wanted}
	g.add(list)
	return g.groups
}

// wanted reports whether a selection is neither skipped nor left out.
func (x *execution) wanted(s *selection) bool {
	for _, d := range s.directives {
		if d.name != "skip" && d.name != "include" {
			continue
		}
		if x.argument(d.arguments[0].value) == (d.name == "skip") {
			return false
		}
	}
	return true
}

// argument is the value of a literal or variable.
func (x *execution) argument(v *value) any {
	if v.kind == kindVariable {
		return x.variables[v.text]
	}
	return v.scalar()
}

// arguments leaves out those whose variable was not given.
func (x *execution) arguments(s *selection) Args {
	args := Args{}
	for _, a := range s.arguments {
		if a.value.kind == kindVariable {
			if _, ok := x.variables[a.value.text]; !ok {
				continue
			}
		}
		args[a.name] = x.argument(a.value)
	}
	return args
}

// limited refuses a query that asks for a root field more often than it may be resolved.
func limited(fields []*group) *Error {
	times := map[string]int{} // :: field → how often
	for _, g := range fields {
		s := g.fields[0]
		times[s.name]++
		if most := s.def.Most; most > 0 && times[s.name] > most {
			return &Error{Message: "Field \"" + s.name + "\" may be asked for only a few times in one query: send several.", Locations: one(s.at)}
		}
	}
	return nil
}

func (x *execution) resolve(ctx context.Context, parent any, t *Type, fields []*group, path []any) *Object {
	o := &Object{}
	for _, g := range fields {
		if !x.meter.spend() {
			break
		}
		here := append(path[:len(path):len(path)], g.key)
		v, err := x.value(ctx, parent, t, g.fields[0])
		if err != nil {
			x.failed(g, here, err)
			v = nil
		}
		o.add(g.key, x.complete(ctx, v, g, here))
	}
	return o
}

func (x *execution) value(ctx context.Context, parent any, t *Type, s *selection) (any, error) {
	switch {
	case s.name == typename.Name:
		return t.Name, nil
	case s.def.Resolve != nil:
		return s.def.Resolve(ctx, parent, x.arguments(s))
	}
	return parent.(map[string]any)[s.name], nil
}

func (x *execution) failed(g *group, path []any, err error) {
	e := &Error{Message: Internal, Path: path, Cause: err}
	for _, s := range g.fields {
		e.Locations = append(e.Locations, s.at)
	}
	x.errors = append(x.errors, e)
}

// complete makes a value of the answer: objects become what was selected of them.
func (x *execution) complete(ctx context.Context, v any, g *group, path []any) any {
	t := g.fields[0].def.Type.named()
	list, isList := v.([]any)
	switch {
	case v == nil:
		return nil
	case isList:
		out := make([]any, len(list))
		for i, item := range list {
			if !x.meter.spend() {
				break
			}
			out[i] = x.complete(ctx, item, g, append(path[:len(path):len(path)], i))
		}
		return out
	case t.Kind != ObjectKind:
		return v
	}
	var below []*selection
	for _, s := range g.fields {
		below = append(below, s.selections...)
	}
	return x.resolve(ctx, v, t, x.collect(below), path)
}
