package graphql

import (
	"context"
	"slices"
)

// Kind is what a type is, in the words of introspection.
type Kind string

// The kinds that a schema here can have.
const (
	Scalar     Kind = "SCALAR"
	ObjectKind Kind = "OBJECT"
	Enum       Kind = "ENUM"
	List       Kind = "LIST"
	NonNull    Kind = "NON_NULL"
)

// Type is one type of a schema; read-only once the schema is made.
type Type struct {
	Kind        Kind
	Name        string // "" for List and NonNull
	Description string
	Fields      []*Field    // of an object
	Values      []EnumValue // of an enum
	Of          *Type       // of List and NonNull
}

// EnumValue is one value of an enum.
type EnumValue struct{ Name, Description string }

// The built-in scalars that the wires use.
var (
	String  = &Type{Kind: Scalar, Name: "String", Description: "The `String` scalar type represents textual data, represented as UTF-8\ncharacter sequences. The String type is most often used by GraphQL to\nrepresent free-form human-readable text."}
	Int     = &Type{Kind: Scalar, Name: "Int", Description: "The `Int` scalar type represents non-fractional signed whole numeric\nvalues. Int can represent values between -(2^31) and 2^31 - 1. "}
	Boolean = &Type{Kind: Scalar, Name: "Boolean", Description: "The `Boolean` scalar type represents `true` or `false`."}

	float = &Type{Kind: Scalar, Name: "Float", Description: "The `Float` scalar type represents signed double-precision fractional\nvalues as specified by\n[IEEE 754](http://en.wikipedia.org/wiki/IEEE_floating_point). "}
	id    = &Type{Kind: Scalar, Name: "ID", Description: "The `ID` scalar type represents a unique identifier, often used to\nrefetch an object or as key for a cache. The ID type appears in a JSON\nresponse as a String; however, it is not intended to be human-readable.\nWhen expected as an input type, any string (such as `\"4\"`) or integer\n(such as `4`) input value will be accepted as an ID."}
)

func listOf(t *Type) *Type { return &Type{Kind: List, Of: t} }

func required(t *Type) *Type { return &Type{Kind: NonNull, Of: t} }

// String writes the type as the schema language does.
func (t *Type) String() string {
	switch t.Kind {
	case List:
		return "[" + t.Of.String() + "]"
	case NonNull:
		return t.Of.String() + "!"
	}
	return t.Name
}

// named returns the innermost type.
func (t *Type) named() *Type {
	for t.Of != nil {
		t = t.Of
	}
	return t
}

func (t *Type) isInput() bool { return t.named().Kind != ObjectKind }

func (t *Type) field(name string) *Field {
	i := slices.IndexFunc(t.Fields, func(f *Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return t.Fields[i]
}

// Args are a field's arguments by name. One that was not given is not there; null is nil.
type Args map[string]any

// Resolver gives a field's value: nil, bool, int64, string, for an object anything that its own fields'
// resolvers take as parent, for a list []any of these.
type Resolver func(ctx context.Context, parent any, args Args) (any, error)

// Field is one field of an object. Without a Resolver its value is the member of its name of a parent that is a
// map[string]any.
type Field struct {
	Name, Description string
	Type              *Type
	Args              []*Arg
	Resolve           Resolver
	// Most is how often a query's root may ask for the field; 0 does not limit it.
	Most int
}

// Arg is an argument of a field or directive.
type Arg struct {
	Name, Description string
	Type              *Type // String, Boolean, or one of these not null
	// Default is printed by introspection; the resolver is given no default. "" is none.
	Default string
}

func findArg(args []*Arg, name string) *Arg {
	i := slices.IndexFunc(args, func(a *Arg) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return args[i]
}

func argNames(args []*Arg) []string {
	names := make([]string, len(args))
	for i, a := range args {
		names[i] = a.Name
	}
	return names
}

// directiveDef is a directive that a query may use.
type directiveDef struct {
	name, description string
	locations         []string
	args              []*Arg
}

// Schema is a query type with all that introspection adds. It is read-only and safe for concurrent use.
type Schema struct {
	query      *Type
	style      Style
	types      []*Type          // in introspection's order
	byName     map[string]*Type // :: name → type
	directives []*directiveDef
	meta       []*Field // fields that every query's root has beside its own
}

// NewSchema returns the schema of a query type whose field types have Fields and Resolvers set.
func NewSchema(query *Type, style Style) *Schema {
	s := &Schema{query: query, style: style, byName: map[string]*Type{}, directives: directivesOf(style)}
	s.addType(query)
	s.addType(Boolean)
	if style == V14 {
		s.addType(id)
		s.addType(float)
	}
	meta := s.introspection()
	s.byName[id.Name], s.byName[float.Name] = id, float
	s.meta = meta
	return s
}

// addType adds a type and, before anything else, the types of its fields and their arguments.
func (s *Schema) addType(t *Type) {
	t = t.named()
	if s.byName[t.Name] != nil {
		return
	}
	s.byName[t.Name] = t
	s.types = append(s.types, t)
	for _, f := range t.Fields {
		for _, a := range f.Args {
			s.addType(a.Type)
		}
		s.addType(f.Type)
	}
}

// typeOf resolves a type of a document; nil when there is none of the name.
func (s *Schema) typeOf(t *typeRef) *Type {
	var found *Type
	if t.list != nil {
		if of := s.typeOf(t.list); of != nil {
			found = listOf(of)
		}
	} else {
		found = s.byName[t.name]
	}
	if found != nil && t.nonNull {
		return required(found)
	}
	return found
}

// fieldOf finds a field of a parent type, __typename and the root's own among them.
func (s *Schema) fieldOf(parent *Type, name string) *Field {
	if name == typename.Name {
		return typename
	}
	if parent == s.query {
		for _, f := range s.meta {
			if f.Name == name {
				return f
			}
		}
	}
	return parent.field(name)
}

func (s *Schema) directive(name string) *directiveDef {
	for _, d := range s.directives {
		if d.name == name {
			return d
		}
	}
	return nil
}

func directivesOf(style Style) []*directiveDef {
	onSelections := []string{"FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"}
	list := []*directiveDef{
		{"include", "Directs the executor to include this field or fragment only when the `if` argument is true.", onSelections,
			[]*Arg{{Name: "if", Description: "Included when true.", Type: required(Boolean)}}},
		{"skip", "Directs the executor to skip this field or fragment when the `if` argument is true.", onSelections,
			[]*Arg{{Name: "if", Description: "Skipped when true.", Type: required(Boolean)}}},
		{"deprecated", "Marks an element of a GraphQL schema as no longer supported.", []string{"FIELD_DEFINITION", "ENUM_VALUE"},
			[]*Arg{{Name: "reason", Description: "Says why, and what to use instead, as Markdown.", Type: String, Default: `"No longer supported"`}}},
	}
	if style == V14 {
		return list
	}
	list[2].locations = []string{"FIELD_DEFINITION", "ENUM_VALUE", "ARGUMENT_DEFINITION", "INPUT_FIELD_DEFINITION"}
	return append(list,
		&directiveDef{"specifiedBy", "Exposes a URL that specifies the behaviour of this scalar.", []string{"SCALAR"},
			[]*Arg{{Name: "url", Description: "The URL that specifies the behaviour of this scalar.", Type: required(String)}}},
		&directiveDef{"oneOf", "Indicates that an Input Object is a OneOf Input Object.", []string{"INPUT_OBJECT"}, nil})
}
