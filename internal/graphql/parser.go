package graphql

// document is a parsed query. Its definitions keep their order.
type document struct {
	operations []*definition
	fragments  []*definition
	all        []*definition
}

// fragment returns the first of a name, nil when there is none.
func (d *document) fragment(name string) *definition {
	for _, f := range d.fragments {
		if f.name == name {
			return f
		}
	}
	return nil
}

// definition is an operation, or a fragment, which has a type condition.
type definition struct {
	at         Location
	kind       string // query, mutation, subscription or fragment
	name       string // "" for an anonymous operation
	nameAt     Location
	on         *typeRef
	variables  []*variable
	directives []*directive
	selections []*selection
}

type variable struct {
	at         Location
	name       string
	typ        *typeRef
	initial    *value // nil when there is no default
	directives []*directive
}

// typeRef is a type as written in a document.
type typeRef struct {
	at      Location
	name    string
	list    *typeRef
	nonNull bool
}

// String writes the type as the document does.
func (t *typeRef) String() string {
	s := t.name
	if t.list != nil {
		s = "[" + t.list.String() + "]"
	}
	if t.nonNull {
		s += "!"
	}
	return s
}

// named returns the innermost type.
func (t *typeRef) named() *typeRef {
	for t.list != nil {
		t = t.list
	}
	return t
}

type form int

const (
	fieldForm form = iota
	spreadForm
	inlineForm
)

// selection is a field, a spread of a named fragment, or an inline fragment.
type selection struct {
	form       form
	at         Location
	key        string // alias, or name
	name       string // of the field or the fragment
	on         *typeRef
	arguments  []*argument
	directives []*directive
	selections []*selection
	def        *Field // set by validation
}

type directive struct {
	at        Location
	name      string
	arguments []*argument
}

type argument struct {
	at    Location
	name  string
	value *value
}

// value is a literal; its text is printed in errors.
type value struct {
	at     Location
	kind   string // a kind of token; or one of the kinds below
	text   string // of a scalar or enum; the name of a variable
	list   []*value
	fields []*argument
}

// The kinds of value that are no token.
const (
	kindVariable = "Variable"
	kindBoolean  = "Boolean"
	kindNull     = "null"
	kindEnum     = "Enum"
	kindList     = "List"
	kindObject   = "Object"
)

// parser reads executable documents. After an error every token is the end, so that each loop stops.
type parser struct {
	lex    *lexer
	tok    tok
	err    *Error
	tokens int
	depth  int
	fields int
}

func parse(text string) (*document, *Error) {
	p := &parser{lex: newLexer(text)}
	p.advance()
	doc := &document{}
	for {
		d := p.definition()
		if p.err != nil {
			return nil, p.err
		}
		doc.all = append(doc.all, d)
		if d.kind == "fragment" {
			doc.fragments = append(doc.fragments, d)
		} else {
			doc.operations = append(doc.operations, d)
		}
		if p.tok.kind == kindEnd {
			return doc, nil
		}
	}
}

func (p *parser) stop(err *Error) {
	if p.err == nil {
		p.err = err
	}
	p.tok = tok{kind: kindEnd, at: p.tok.at}
}

func (p *parser) advance() {
	if p.err != nil {
		return
	}
	p.tok = p.lex.next()
	if p.tokens++; p.tokens > maxTokens {
		p.stop(syntax(p.tok.at, "Document contains more than %d tokens.", maxTokens))
	}
	if p.lex.err != nil {
		p.stop(p.lex.err)
	}
}

func (p *parser) is(kind string) bool { return p.tok.kind == kind }

func (p *parser) isName(value string) bool { return p.tok.kind == kindName && p.tok.value == value }

func (p *parser) accept(kind string) bool {
	if p.err != nil || !p.is(kind) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(kind string) tok {
	t := p.tok
	if !p.accept(kind) {
		p.stop(syntax(t.at, "Expected %s, found %v", kind, t))
	}
	return t
}

func (p *parser) unexpected(t tok) { p.stop(syntax(t.at, "Unexpected %v", t)) }

// enter goes one level down; leave is its other half.
func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.stop(syntax(p.tok.at, "Document is nested more than %d levels deep.", maxDepth))
	}
}

func (p *parser) leave() { p.depth-- }

// many reads one or more items in brackets.
func (p *parser) many(left, right string, item func()) {
	p.expect(left)
	for p.err == nil {
		item()
		if p.accept(right) {
			return
		}
	}
}

func (p *parser) definition() *definition {
	d := &definition{at: p.tok.at}
	switch {
	case p.is("{"):
		d.kind = "query"
	case p.isName("query") || p.isName("mutation") || p.isName("subscription"):
		d.kind = p.tok.value
		p.advance()
		if d.nameAt = p.tok.at; p.is(kindName) {
			d.name = p.expect(kindName).value
		}
		d.variables = p.variables()
		d.directives = p.directives(false)
	case p.isName("fragment"):
		d.kind = "fragment"
		p.advance()
		d.nameAt = p.tok.at
		d.name = p.fragmentName()
		d.on = p.condition()
		d.directives = p.directives(false)
	default:
		p.unexpected(p.tok)
	}
	d.selections = p.selections()
	return d
}

func (p *parser) fragmentName() string {
	if p.isName("on") {
		p.unexpected(p.tok)
	}
	return p.expect(kindName).value
}

// condition reads `on` and a type.
func (p *parser) condition() *typeRef {
	if !p.isName("on") {
		p.stop(syntax(p.tok.at, `Expected "on", found %v`, p.tok))
	}
	p.advance()
	return p.namedType()
}

func (p *parser) namedType() *typeRef {
	t := p.expect(kindName)
	return &typeRef{at: t.at, name: t.value}
}

func (p *parser) variables() []*variable {
	if !p.is("(") {
		return nil
	}
	var list []*variable
	p.many("(", ")", func() {
		v := &variable{at: p.expect("$").at}
		v.name = p.expect(kindName).value
		p.expect(":")
		v.typ = p.typeRef()
		if p.accept("=") {
			v.initial = p.value(true)
		}
		v.directives = p.directives(true)
		list = append(list, v)
	})
	return list
}

func (p *parser) typeRef() *typeRef {
	p.enter()
	defer p.leave()
	t := &typeRef{at: p.tok.at}
	if p.accept("[") {
		t.list = p.typeRef()
		p.expect("]")
	} else {
		t.name = p.expect(kindName).value
	}
	t.nonNull = p.accept("!")
	return t
}

func (p *parser) selections() []*selection {
	p.enter()
	defer p.leave()
	var list []*selection
	p.many("{", "}", func() {
		if p.is(kindSpread) {
			list = append(list, p.spread())
		} else {
			list = append(list, p.field())
		}
	})
	return list
}

func (p *parser) field() *selection {
	if p.fields++; p.fields > maxFields {
		p.stop(&Error{Message: "The query has too many fields: split it into smaller ones.", Locations: []Location{p.tok.at}})
	}
	s := &selection{form: fieldForm, at: p.tok.at}
	s.key = p.expect(kindName).value
	s.name = s.key
	if p.accept(":") {
		s.name = p.expect(kindName).value
	}
	s.arguments = p.arguments(false)
	s.directives = p.directives(false)
	if p.is("{") {
		s.selections = p.selections()
	}
	return s
}

func (p *parser) spread() *selection {
	s := &selection{form: inlineForm, at: p.expect(kindSpread).at}
	switch {
	case p.isName("on"):
		s.on = p.condition()
	case p.is(kindName):
		s.form = spreadForm
		s.name = p.fragmentName()
		s.directives = p.directives(false)
		return s
	}
	s.directives = p.directives(false)
	s.selections = p.selections()
	return s
}

func (p *parser) directives(constant bool) []*directive {
	var list []*directive
	for p.err == nil && p.is("@") {
		d := &directive{at: p.expect("@").at}
		d.name = p.expect(kindName).value
		d.arguments = p.arguments(constant)
		list = append(list, d)
	}
	return list
}

func (p *parser) arguments(constant bool) []*argument {
	if !p.is("(") {
		return nil
	}
	var list []*argument
	p.many("(", ")", func() { list = append(list, p.argument(constant)) })
	return list
}

func (p *parser) argument(constant bool) *argument {
	a := &argument{at: p.tok.at}
	a.name = p.expect(kindName).value
	p.expect(":")
	a.value = p.value(constant)
	return a
}

// value reads a literal; a constant holds no variables.
func (p *parser) value(constant bool) *value {
	v := &value{at: p.tok.at, kind: p.tok.kind, text: p.tok.value}
	switch {
	case p.is("["):
		p.list(v, constant)
	case p.is("{"):
		p.object(v, constant)
	case p.is(kindName):
		v.kind = literalKind(v.text)
		p.advance()
	case p.is(kindInt) || p.is(kindFloat) || p.is(kindString) || p.is(kindBlock):
		p.advance()
	case p.is("$") && !constant:
		p.advance()
		v.kind, v.text = kindVariable, p.expect(kindName).value
	default:
		p.unexpected(p.tok)
	}
	return v
}

func literalKind(name string) string {
	switch name {
	case "true", "false":
		return kindBoolean
	case "null":
		return kindNull
	}
	return kindEnum
}

func (p *parser) list(v *value, constant bool) {
	p.enter()
	defer p.leave()
	v.kind = kindList
	p.advance()
	for p.err == nil && !p.accept("]") {
		v.list = append(v.list, p.value(constant))
	}
}

func (p *parser) object(v *value, constant bool) {
	p.enter()
	defer p.leave()
	v.kind = kindObject
	p.advance()
	for p.err == nil && !p.accept("}") {
		v.fields = append(v.fields, p.argument(constant))
	}
}
