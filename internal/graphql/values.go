package graphql

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// String prints a literal as errors show it.
func (x *value) String() string {
	switch x.kind {
	case kindVariable:
		return "$" + x.text
	case kindString, kindBlock:
		return quote(x.text)
	case kindList:
		var parts []string
		for _, e := range x.list {
			parts = append(parts, e.String())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case kindObject:
		var parts []string
		for _, f := range x.fields {
			parts = append(parts, f.name+": "+f.value.String())
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return x.text
}

func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// literal checks a value against the type of its place; nil is an unknown type. Arg names the argument it is
// given for, "" in the default of a variable.
func (v *validator) literal(x *value, t *Type, arg string) {
	if !v.meter.spend() {
		return
	}
	switch {
	case x.kind == kindVariable:
		p := v.parts[v.def]
		p.usages = append(p.usages, usage{x.text, x.at, t})
		return
	case x.kind == kindNull:
		if t != nil && t.Kind == NonNull {
			v.badValue(x, t, arg, "Expected value of type \""+t.String()+"\", found null.")
		}
		return
	}
	nullable := t
	if t != nil && t.Kind == NonNull {
		nullable = t.Of
	}
	inList := nullable != nil && nullable.Kind == List
	switch {
	case inList && x.kind == kindList:
		for _, e := range x.list {
			v.literal(e, nullable.Of, arg)
		}
	case inList:
		v.literal(x, nullable.Of, arg)
	default:
		if nullable != nil {
			v.scalar(x, t, arg)
		}
		v.inside(x, arg)
	}
}

// inside looks for variables, and for fields given twice, in what is no list or object of the schema.
func (v *validator) inside(x *value, arg string) {
	for _, e := range x.list {
		v.literal(e, nil, arg)
	}
	first := map[string]Location{} // :: name → where it was given first
	for _, f := range x.fields {
		if at, ok := first[f.name]; ok {
			v.report([]Location{at, f.at}, "There can be only one input field named %q.", f.name)
		} else {
			first[f.name] = f.at
		}
		v.literal(f.value, nil, arg)
	}
}

// fits are the kinds of literal that each scalar takes, and the words for any other.
var fits = map[string]struct {
	kinds []string
	words string
}{ // :: scalar →
	"String":  {[]string{kindString, kindBlock}, "String cannot represent a non string value: "},
	"Boolean": {[]string{kindBoolean}, "Boolean cannot represent a non boolean value: "},
	"Int":     {[]string{kindInt}, "Int cannot represent non-integer value: "},
	"Float":   {[]string{kindInt, kindFloat}, "Float cannot represent non numeric value: "},
	"ID":      {[]string{kindInt, kindString, kindBlock}, "ID cannot represent a non-string and non-integer value: "},
}

// scalar checks a literal where a scalar or an enum is expected. T is the whole type of the place.
func (v *validator) scalar(x *value, t *Type, arg string) {
	named := t.named()
	if named.Kind == Enum {
		v.enumValue(x, t, arg)
		return
	}
	fit := fits[named.Name]
	for _, kind := range fit.kinds {
		if x.kind != kind {
			continue
		}
		if _, err := strconv.ParseInt(x.text, 10, 32); err == nil || named != Int {
			return
		}
		fit.words = "Int cannot represent non 32-bit signed integer value: "
	}
	v.badValue(x, t, arg, fit.words+clip(x.String()))
}

func (v *validator) enumValue(x *value, t *Type, arg string) {
	var names []string
	for _, known := range t.named().Values {
		if x.kind == kindEnum && x.text == known.Name {
			return
		}
		names = append(names, known.Name)
	}
	if x.kind != kindEnum {
		v.badValue(x, t, arg, "Enum \""+t.named().Name+"\" cannot represent non-enum value: "+clip(x.String())+".")
		return
	}
	v.badValue(x, t, arg, "Value \""+clip(x.text)+"\" does not exist in \""+t.named().Name+"\" enum."+didYouMean(x.text, names))
}

// badValue reports in the words of release 15, or in those of release 14, which knows only one sentence.
func (v *validator) badValue(x *value, t *Type, arg, words string) {
	switch {
	case v.style != V14:
		v.report(one(x.at), "%s", verbatim(words))
	case arg != "":
		v.report(one(x.at), "Field \"%s\" argument \"%s\" requires type %s, found %s.", v.fieldName, arg, t.String(), x.String())
	default:
		v.report(one(x.at), "Expected type %s, found %s.", t.String(), x.String())
	}
}

// verbatim is a text that report does not clip, since its parts have been.
type verbatim string

// coerce gives the operation's variables their values (spec §6.1.2). Validation has seen to it that only strings
// and booleans are ever used.
func (s *Schema) coerce(d *definition, given map[string]json.RawMessage) (map[string]any, []*Error) {
	values := map[string]any{}
	var errs []*Error
	fail := func(x *variable, words string) {
		errs = append(errs, &Error{Message: "Variable \"$" + clip(x.name) + "\" " + words, Locations: one(x.at)})
	}
	for _, x := range d.variables {
		raw, ok := given[x.name]
		null := string(raw) == "null"
		switch {
		case !ok && x.initial != nil:
			values[x.name] = x.initial.scalar()
		case !ok && x.typ.nonNull:
			fail(x, "of required type \""+x.typ.String()+"\" was not provided.")
		case null && x.typ.nonNull:
			fail(x, "of non-null type \""+x.typ.String()+"\" must not be null.")
		case null:
			values[x.name] = nil
		case ok:
			v, words := coerceScalar(x.typ.name, raw)
			if words == "" {
				values[x.name] = v
				continue
			}
			if s.style == V14 {
				words = "Expected type " + x.typ.name + "; " + words
			}
			fail(x, "got invalid value "+printJSON(raw)+"; "+words)
		}
	}
	return values, errs
}

// scalar is the value of a literal that fits a String or a Boolean; nil of null.
func (x *value) scalar() any {
	switch x.kind {
	case kindString, kindBlock:
		return x.text
	case kindBoolean:
		return x.text == "true"
	}
	return nil
}

// coerceScalar reads a JSON value for a String or a Boolean, or says what is wrong with it.
func coerceScalar(name string, raw json.RawMessage) (any, string) {
	var v any
	var s string
	var b bool
	var err error
	if name == Boolean.Name {
		err = json.Unmarshal(raw, &b)
		v = b
	} else {
		err = json.Unmarshal(raw, &s)
		v = s
	}
	if err != nil {
		return nil, fits[name].words + printJSON(raw)
	}
	return v, ""
}

// printJSON shows a value of a variable as errors do.
func printJSON(raw json.RawMessage) string {
	if string(raw) == `""` {
		return "(empty string)"
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return "(not JSON)"
	}
	return clip(b.String())
}
