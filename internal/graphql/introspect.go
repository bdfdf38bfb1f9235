package graphql

import "context"

// typename is the field that every object has.
var typename = &Field{Name: "__typename", Type: required(String)}

// from makes a resolver of a parent of type T.
func from[T any](get func(T) any) Resolver {
	return func(_ context.Context, parent any, _ Args) (any, error) { return get(parent.(T)), nil }
}

// items makes a list of any for Resolver.
func items[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// orNull makes a value of a text that may be missing.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// typeOrNull keeps a nil *Type from hiding in an interface.
func typeOrNull(t *Type) any {
	if t == nil {
		return nil
	}
	return t
}

func object(name, description string) *Type {
	return &Type{Kind: ObjectKind, Name: name, Description: description}
}

func enum(name, description string, values ...string) *Type {
	t := &Type{Kind: Enum, Name: name, Description: description}
	for _, v := range values {
		t.Values = append(t.Values, EnumValue{Name: v})
	}
	return t
}

// meta is the types of introspection (spec §4.2).
type metaTypes struct {
	schema, typ, kind, field, input, value, directive, location *Type
}

// introspection adds the types that describe types, and returns the fields by which a query reaches them.
// Nothing here is ever deprecated, so the arguments that ask for what is have no effect.
func (s *Schema) introspection() []*Field {
	m := &metaTypes{
		schema: object("__Schema", "A GraphQL Schema defines the capabilities of a GraphQL server."),
		typ:    object("__Type", "The fundamental unit of any GraphQL Schema is the type."),
		kind: enum("__TypeKind", "An enum describing what kind of type a given `__Type` is.",
			"SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT", "LIST", "NON_NULL"),
		field:     object("__Field", "Object and Interface types are described by a list of Fields."),
		input:     object("__InputValue", "Arguments of fields and directives, and the input fields of an InputObject."),
		value:     object("__EnumValue", "One possible value for a given Enum."),
		directive: object("__Directive", "A Directive describes alternate runtime execution to the executor."),
		location: enum("__DirectiveLocation", "A place that a Directive can be in.",
			"QUERY", "MUTATION", "SUBSCRIPTION", "FIELD", "FRAGMENT_DEFINITION", "FRAGMENT_SPREAD", "INLINE_FRAGMENT",
			"VARIABLE_DEFINITION", "SCHEMA", "SCALAR", "OBJECT", "FIELD_DEFINITION", "ARGUMENT_DEFINITION", "INTERFACE",
			"UNION", "ENUM", "ENUM_VALUE", "INPUT_OBJECT", "INPUT_FIELD_DEFINITION"),
	}
	s.describeSchema(m)
	m.describeType()
	m.describeParts()
	for _, t := range []*Type{m.schema, m.typ, m.kind, m.field, m.input, m.value, m.directive, m.location} {
		s.byName[t.Name] = t
		s.types = append(s.types, t)
	}
	return []*Field{
		{Name: "__schema", Type: required(m.schema), Resolve: func(context.Context, any, Args) (any, error) { return s, nil }},
		{Name: "__type", Type: m.typ, Args: []*Arg{{Name: "name", Type: required(String)}}, Resolve: s.typeNamed},
	}
}

func (s *Schema) typeNamed(_ context.Context, _ any, args Args) (any, error) {
	name, _ := args["name"].(string)
	return typeOrNull(s.byName[name]), nil
}

func (s *Schema) describeSchema(m *metaTypes) {
	none := func(context.Context, any, Args) (any, error) { return nil, nil }
	m.schema.Fields = []*Field{
		{Name: "types", Description: "A list of all types supported by this server.", Type: required(listOf(required(m.typ))),
			Resolve: from(func(s *Schema) any { return items(s.types) })},
		{Name: "queryType", Description: "The type that query operations will be rooted at.", Type: required(m.typ),
			Resolve: from(func(s *Schema) any { return s.query })},
		{Name: "mutationType", Description: "The type that mutation operations will be rooted at, if there is one.", Type: m.typ, Resolve: none},
		{Name: "subscriptionType", Description: "The type that subscription operations will be rooted at, if there is one.", Type: m.typ, Resolve: none},
		{Name: "directives", Description: "A list of all directives supported by this server.", Type: required(listOf(required(m.directive))),
			Resolve: from(func(s *Schema) any { return items(s.directives) })},
	}
}

// deprecatedToo is the argument that asks for deprecated members too.
func deprecatedToo() []*Arg {
	return []*Arg{{Name: "includeDeprecated", Type: Boolean, Default: "false"}}
}

// objectsOnly resolves to an empty list for objects and to null for every other type.
func objectsOnly(t *Type) any {
	if t.Kind == ObjectKind {
		return []any{}
	}
	return nil
}

func (m *metaTypes) describeType() {
	null := from(func(*Type) any { return nil })
	m.typ.Fields = []*Field{
		{Name: "kind", Type: required(m.kind), Resolve: from(func(t *Type) any { return string(t.Kind) })},
		{Name: "name", Type: String, Resolve: from(func(t *Type) any { return orNull(t.Name) })},
		{Name: "description", Type: String, Resolve: from(func(t *Type) any { return orNull(t.Description) })},
		{Name: "fields", Type: listOf(required(m.field)), Args: deprecatedToo(), Resolve: from(func(t *Type) any {
			if t.Kind != ObjectKind {
				return nil
			}
			return items(t.Fields)
		})},
		{Name: "interfaces", Type: listOf(required(m.typ)), Resolve: from(objectsOnly)},
		{Name: "possibleTypes", Type: listOf(required(m.typ)), Resolve: null},
		{Name: "enumValues", Type: listOf(required(m.value)), Args: deprecatedToo(), Resolve: from(func(t *Type) any {
			if t.Kind != Enum {
				return nil
			}
			return items(t.Values)
		})},
		{Name: "inputFields", Type: listOf(required(m.input)), Args: deprecatedToo(), Resolve: null},
		{Name: "ofType", Type: m.typ, Resolve: from(func(t *Type) any { return typeOrNull(t.Of) })},
		{Name: "isOneOf", Type: Boolean, Resolve: null},
	}
}

// neverDeprecated is the two fields that say so of a part.
func neverDeprecated() []*Field {
	return []*Field{
		{Name: "isDeprecated", Type: required(Boolean), Resolve: func(context.Context, any, Args) (any, error) { return false, nil }},
		{Name: "deprecationReason", Type: String, Resolve: func(context.Context, any, Args) (any, error) { return nil, nil }},
	}
}

func (m *metaTypes) describeParts() {
	m.field.Fields = append([]*Field{
		{Name: "name", Type: required(String), Resolve: from(func(f *Field) any { return f.Name })},
		{Name: "description", Type: String, Resolve: from(func(f *Field) any { return orNull(f.Description) })},
		{Name: "args", Type: required(listOf(required(m.input))), Args: deprecatedToo(), Resolve: from(func(f *Field) any { return items(f.Args) })},
		{Name: "type", Type: required(m.typ), Resolve: from(func(f *Field) any { return f.Type })},
	}, neverDeprecated()...)
	m.input.Fields = append([]*Field{
		{Name: "name", Type: required(String), Resolve: from(func(a *Arg) any { return a.Name })},
		{Name: "description", Type: String, Resolve: from(func(a *Arg) any { return orNull(a.Description) })},
		{Name: "type", Type: required(m.typ), Resolve: from(func(a *Arg) any { return a.Type })},
		{Name: "defaultValue", Type: String, Resolve: from(func(a *Arg) any { return orNull(a.Default) })},
	}, neverDeprecated()...)
	m.value.Fields = append([]*Field{
		{Name: "name", Type: required(String), Resolve: from(func(v EnumValue) any { return v.Name })},
		{Name: "description", Type: String, Resolve: from(func(v EnumValue) any { return orNull(v.Description) })},
	}, neverDeprecated()...)
	m.directive.Fields = []*Field{
		{Name: "name", Type: required(String), Resolve: from(func(d *directiveDef) any { return d.name })},
		{Name: "description", Type: String, Resolve: from(func(d *directiveDef) any { return orNull(d.description) })},
		{Name: "isRepeatable", Type: required(Boolean), Resolve: from(func(*directiveDef) any { return false })},
		{Name: "locations", Type: required(listOf(required(m.location))), Resolve: from(func(d *directiveDef) any { return items(d.locations) })},
		{Name: "args", Type: required(listOf(required(m.input))), Args: deprecatedToo(), Resolve: from(func(d *directiveDef) any { return items(d.args) })},
	}
}
